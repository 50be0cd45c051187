import { SettingsError, settingsOfProcess } from './config.js';
import { doctor } from './doctor.js';
import { reset, up } from './up.js';

const commands = { up, doctor, reset };

// A closed terminal takes the output away; the stack then still stops in order.
process.stdout.on('error', () => undefined);

try {
  const settings = settingsOfProcess();
  process.exit(await commands[settings.command](settings, (line) => console.log(line)));
} catch (failure) {
  console.error(failure instanceof Error ? failure.message : failure);
  process.exit(failure instanceof SettingsError ? 2 : 1);
}
