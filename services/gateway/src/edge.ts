import type { Accounts } from '@muster/event-store/accounts';
import type { Log } from '@muster/runtime/log';
import type { AccountCommands } from './account.commands.js';
import type { EndpointDirectory } from './endpoint.directory.js';
import type { ImportFiles } from './import.files.js';

/** What routes work with. Everything else they need comes with the call. */
export interface Edge {
  readonly accounts: Accounts;
  readonly accountCommands: AccountCommands;
  readonly endpoints: EndpointDirectory;
  readonly importFiles: ImportFiles;
  readonly log: Log;
  /** The gateway's own address where the operator has named it. */
  readonly publicUrl: string | undefined;
}
