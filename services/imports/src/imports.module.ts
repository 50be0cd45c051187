import type { DynamicModule } from '@nestjs/common';
import { RuntimeModule } from '@muster/runtime/runtime.module';
import type { ImportsEnv } from './config.js';
import { ImportCommands } from './import.commands.js';
import { ImportFiles } from './import.files.js';
import { ImportQueries } from './import.queries.js';
import { ImportRegistry } from './import.registry.js';
import { ImportUploads } from './import.uploads.js';
import { ImportViews } from './import.view.js';
import { ImportWorker } from './import.worker.js';

class ImportsModule {}

/** All wiring of the imports service; a test can host it beside its own. */
export function importsModule(env: ImportsEnv): DynamicModule {
  return {
    module: ImportsModule,
    imports: [RuntimeModule.forService('imports', env)],
    controllers: [ImportCommands, ImportQueries],
    providers: [
      { provide: ImportFiles, useValue: new ImportFiles(env.DATA_DIR) },
      ImportRegistry,
      ImportViews,
      ImportWorker,
      ImportUploads,
    ],
  };
}
