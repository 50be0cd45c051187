/** Variables of this process that a child needs to run at all; everything else a child gets is passed explicitly. */
const INHERITED = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'TZ', 'NODE_V8_COVERAGE'] as const;

/** The environment of a child process: the few inherited variables and then `own`. /usr/sbin is always on its path. */
export function childEnvironment(own: Readonly<Record<string, string>> = {}): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of INHERITED) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  environment['PATH'] = searchPath();
  return { ...environment, ...own };
}

/** Where programs are looked for: PATH, and the folders in which distributions put servers. */
export function searchPath(): string {
  const folders = (process.env['PATH'] ?? '').split(':').filter((folder) => folder !== '');
  for (const folder of ['/usr/local/bin', '/usr/bin', '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin']) {
    if (!folders.includes(folder)) folders.push(folder);
  }
  return folders.join(':');
}
