import { Injectable } from '@nestjs/common';
import type { Envelope } from '@muster/contracts/envelope';
import { isErrorCode, Refusal } from '@muster/contracts/errors';
import { getMemberships } from '@muster/contracts/group';
import type { ImportView } from '@muster/contracts/import';
import type { z } from 'zod';
import { Bus } from '@muster/runtime/bus';
import { callFields } from '@muster/runtime/call-context';
import { Log } from '@muster/runtime/log';
import type { FileColumn } from './domain/analyse.js';
import type { ImportAggregate } from './domain/import.js';
import { ImportFiles } from './import.files.js';
import type { ImportHead } from './import.registry.js';

/** Imports whose columns, or whose visibility, are remembered. */
const CACHED_MAX = 500;
/** How long a question about an import waits for the lists to catch up, in milliseconds. */
const VISIBLE_MS = 1_500;

type View = z.input<typeof ImportView>;

/** Imports as the API shows them: from the head, with samples read from the file again, for events hold none. */
@Injectable()
export class ImportViews {
  private readonly columns = new Map<string, FileColumn[]>();
  private readonly visible = new Set<string>();

  constructor(
    private readonly files: ImportFiles,
    private readonly bus: Bus,
    private readonly log: Log,
  ) {}

  async one(envelope: Envelope, head: ImportHead): Promise<View> {
    if (head.state.phase === 'none') throw new Refusal('import:not_found');
    const isVisible = hasEnded(head.state) && (await this.isVisible(envelope, [head]));
    return view(head, await this.columnsOf(head), isVisible);
  }

  /** For lists: without columns, which are a matter of one import and its file. */
  async many(envelope: Envelope, heads: readonly ImportHead[]): Promise<View[]> {
    const ended = heads.filter(({ state }) => hasEnded(state));
    await this.isVisible(envelope, ended);
    return heads.map((head) => view(head, [], this.visible.has(head.id)));
  }

  private async columnsOf(head: ImportHead): Promise<FileColumn[]> {
    const { format } = head.state;
    const shown = { ...format, header: head.state.mapping?.header ?? format.header };
    const key = `${head.id} ${shown.header}`;
    const known = this.columns.get(key);
    if (known) return known;
    try {
      const columns = await this.files.columns(head.account, head.id, shown);
      remember(this.columns, key, columns);
      return columns;
    } catch (error) {
      if (error instanceof Refusal && error.code === 'import:file_gone') return [];
      throw error;
    }
  }

  /** Whether the lists have reached the last event of each import; asked of their owner until it says so once. */
  private async isVisible(envelope: Envelope, heads: readonly ImportHead[]): Promise<boolean> {
    const unknown = heads.filter(({ id }) => !this.visible.has(id));
    if (unknown.length === 0) return true;
    const atLeast = Math.max(...unknown.map(({ position }) => position));
    try {
      await this.bus.ask(getMemberships, envelope, { ids: [], atLeast }, { timeoutMs: VISIBLE_MS });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.code !== 'read:behind')
        this.log.warn('lists not asked', { ...callFields(envelope), code: error.code });
      return false;
    }
    if (this.visible.size > CACHED_MAX) this.visible.clear();
    for (const { id } of unknown) this.visible.add(id);
    return true;
  }
}

function remember(columns: Map<string, FileColumn[]>, key: string, found: FileColumn[]): void {
  const oldest = columns.keys().next().value;
  if (columns.size >= CACHED_MAX && oldest !== undefined) columns.delete(oldest);
  columns.set(key, found);
}

const hasEnded = (state: ImportAggregate): boolean =>
  state.phase === 'completed' || state.phase === 'failed' || state.phase === 'cancelled';

function view(head: ImportHead, columns: FileColumn[], visible: boolean): View {
  const { state } = head;
  if (state.phase === 'none') throw new Refusal('import:not_found');
  return {
    id: head.id,
    state: state.phase,
    visible,
    needs: needsOf(state),
    fileName: state.fileName,
    format: 'csv',
    encoding: state.format.encoding,
    delimiter: state.format.delimiter,
    header: state.mapping?.header ?? state.format.header,
    columns,
    mapping: state.mapping,
    groups: state.groups,
    counts: state.counts,
    rowsPerSecond: rowsPerSecond(state),
    ...(state.error !== null && isErrorCode(state.error) ? { error: { code: state.error } } : {}),
    createdAt: state.createdAt,
    position: head.position,
  };
}

function needsOf(state: ImportAggregate): View['needs'] {
  if (state.phase !== 'analysed' && state.phase !== 'mapped') return [];
  return [
    ...(state.mapping ? [] : (['mapping'] as const)),
    ...(state.areGroupsChosen ? [] : (['groups'] as const)),
    'consent',
  ];
}

/** Over the whole run so far, pauses included; null before the first chunk. */
export function rowsPerSecond(state: ImportAggregate): number | null {
  if (state.startedAt === null || state.movedAt === null) return null;
  const seconds = (Date.parse(state.movedAt) - Date.parse(state.startedAt)) / 1000;
  return seconds <= 0 ? null : Math.round((state.counts.rows / seconds) * 10) / 10;
}
