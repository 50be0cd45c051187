import { spawn, type ChildProcess } from 'node:child_process';

/**
 * A shell at the far end of a pipe that knows the process groups of all children (`+pid`, `-pid`). When the pipe closes
 * because this process ended, even by kill -9, it kills them. Every store survives that without losing what it
 * acknowledged; a server left behind would hold its port and its data folder.
 */
const SCRIPT = `
pids=' '
while IFS= read -r line; do
  case $line in
    +*) pids="$pids\${line#+} " ;;
    -*) gone=\${line#-}; pids="\${pids%% $gone *} \${pids#* $gone }" ;;
  esac
done
for pid in $pids; do kill -9 "-$pid" 2>/dev/null; done
`;

export class Guard {
  private readonly shell: ChildProcess;

  constructor() {
    this.shell = spawn('/bin/sh', ['-c', SCRIPT], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
    this.shell.stdin?.on('error', () => undefined);
    this.shell.on('error', () => undefined);
    this.shell.unref();
  }

  /** The group led by `pid` ends when this process ends. */
  watch(pid: number): void {
    this.shell.stdin?.write(`+${pid}\n`);
  }

  /** The process has ended; its number may be given to a stranger. */
  forget(pid: number): void {
    this.shell.stdin?.write(`-${pid}\n`);
  }

  /** Ends the shell, which kills whatever is still watched. */
  close(): void {
    this.shell.stdin?.end();
  }
}
