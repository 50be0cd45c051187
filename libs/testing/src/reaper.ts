import { spawn, type ChildProcess } from 'node:child_process';
import type { Writable } from 'node:stream';

/**
 * A shell that does nothing but hold the far end of a pipe. Its lines name processes (`+pid`, `-pid`) and temporary
 * folders (`/path`); when the pipe closes, because this process ended in whatever way, it kills and removes them.
 * It runs in a session of its own, so that Ctrl-C in a terminal does not end it before its work is done.
 */
const SCRIPT = `
pids=' '
folders=
while IFS= read -r line; do
  case $line in
    +*) pids="$pids\${line#+} " ;;
    -*) gone=\${line#-}; pids="\${pids%% $gone *} \${pids#* $gone }" ;;
    /*) folders="$folders$line
" ;;
  esac
done
for pid in $pids; do kill -9 "$pid" 2>/dev/null; done
printf '%s' "$folders" | while IFS= read -r folder; do rm -rf "$folder"; done
`;

let reaper: { process: ChildProcess; input: Writable } | undefined;

function input(): Writable {
  if (!reaper || reaper.process.exitCode !== null) {
    const process = spawn('/bin/sh', ['-c', SCRIPT], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
    const pipe = process.stdin;
    pipe.on('error', () => undefined);
    process.unref();
    (pipe as unknown as { unref(): void }).unref();
    reaper = { process, input: pipe };
  }
  return reaper.input;
}

/** Starts the reaper before the first child exists, so that no child is ever without one. */
export function prepareReaper(): void {
  input();
}

/** From now on the process `pid` ends when this process ends, even by kill -9. */
export function endWithUs(pid: number): void {
  input().write(`+${pid}\n`);
}

/** The process `pid` has ended: its number may be given to a stranger and must not be killed later. */
export function hasEnded(pid: number): void {
  input().write(`-${pid}\n`);
}

/** From now on the temporary folder is removed when this process ends. `folder` is absolute. */
export function removeWithUs(folder: string): void {
  input().write(`${folder}\n`);
}
