import { bareAppends, bareUpserts } from './bare.mjs';
import { cpuOf, peopleCsv, processesOf, runImport } from './platform.mjs';

/** Documents that one new contact needs: its head, who holds its number, and its place in the audience. */
const DOCUMENTS_PER_ROW = 3;

/** File to queryable contacts, and the same file again; beside one append and three upserts a row done bare. */
export async function benchImport(platform, { rows }) {
  await runImport(platform, peopleCsv(2_000, 50_000_000));
  const csv = peopleCsv(rows);
  const before = cpuOf(platform.pid);
  const processesBefore = processesOf(platform.pid);
  const first = await runImport(platform, csv);
  const cpu = cpuOf(platform.pid) - before;
  const processes = processesOf(platform.pid);
  const again = await runImport(platform, csv);
  const bare = (await bareAppends(platform, rows)) + (await bareUpserts(platform, rows * DOCUMENTS_PER_ROW));
  const perRow = (seconds) => `${((seconds / rows) * 1e6).toFixed(0)} µs`;
  return [
    `${rows} new rows: ${(rows / first.seconds).toFixed(0)} rows/s (${JSON.stringify(first.counts)})`,
    `the same file again: ${(rows / again.seconds).toFixed(0)} rows/s (${JSON.stringify(again.counts)})`,
    `processor time a row: ${perRow(cpu)}; bare parts (1 append, ${DOCUMENTS_PER_ROW} upserts): ${perRow(bare)}`,
    `bare parts / whole: ${((bare / cpu) * 100).toFixed(0)} %`,
    ...Object.entries(processes).map(([name, { memory, cpu: used }]) => {
      const spent = used - (processesBefore[name]?.cpu ?? 0);
      return `  ${name}: ${perRow(spent)} a row, ${memory} MB`;
    }),
  ];
}
