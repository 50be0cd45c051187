// `npm run bench -- import stop audience [--rows N] [--contacts N]`: starts a platform of its own, does the work named, and prints each
// figure beside what the bare parts of the same work cost on this machine, so that ratios can be compared anywhere.
import { parseArgs } from 'node:util';
import { benchAudience } from './bench/audience.mjs';
import { benchImport } from './bench/import.mjs';
import { startPlatform } from './bench/platform.mjs';
import { benchStop } from './bench/stop.mjs';

const BENCHES = { import: benchImport, stop: benchStop, audience: benchAudience };
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: 'string', default: '20000' },
    seconds: { type: 'string', default: '10' },
    rate: { type: 'string', default: '100' },
    ports: { type: 'string', default: '7800' },
  },
});
const names = positionals.length > 0 ? positionals : Object.keys(BENCHES);
const unknown = names.filter((name) => !Object.hasOwn(BENCHES, name));
if (unknown.length > 0) {
  console.error(
    `There is no benchmark ${unknown.join(', ')}. There are: ${Object.keys(BENCHES).join(', ')}.`,
  );
  process.exit(1);
}

const settings = { rows: Number(values.rows), seconds: Number(values.seconds), rate: Number(values.rate) };
const platform = await startPlatform(Number(values.ports));
try {
  for (const name of names) {
    console.log(`\n${name}`);
    for (const line of await BENCHES[name](platform, settings)) console.log(`  ${line}`);
  }
} finally {
  await platform.stop();
}
