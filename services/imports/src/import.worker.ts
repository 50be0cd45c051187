import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { Id } from '@muster/contracts/ids';
import { importJobId, QUEUES } from '@muster/contracts/names';
import { Accounts } from '@muster/event-store/accounts';
import { Bus } from '@muster/runtime/bus';
import { ServiceEnv } from '@muster/runtime/edge.module';
import { Log, scrub } from '@muster/runtime/log';
import { settled } from '@muster/runtime/settled';
import { Queue, Worker, type Job } from 'bullmq';
import { Redis } from 'ioredis';
import type { ImportsEnv } from './config.js';
import { ImportFiles } from './import.files.js';
import { ImportRegistry } from './import.registry.js';
import { ImportRun } from './import.run.js';

/** Imports of one process at the same time; each keeps two chunks under way. */
const AT_ONCE = 4;
/** After this time without a sign of life, another worker takes a job over, in milliseconds. */
const LOCK_MS = 15_000;
const STALLED_CHECK_MS = 5_000;
/** How often imports without a job are looked for: Redis may have been emptied. */
const SWEEP_MS = 10_000;
const CLOSE_MS = 5_000;

interface RunJob {
  account: Id;
  importId: Id;
}

/** Runs imports. Jobs hold ids alone and are only a trigger: what is to be done stands in the import's stream. */
@Injectable()
export class ImportWorker implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly stopping = new AbortController();
  private readonly runs = new Map<Id, Promise<void>>();
  private readonly connections: Redis[] = [];
  private queue: Queue<RunJob> | undefined;
  private worker: Worker<RunJob> | undefined;
  private sweeper: NodeJS.Timeout | undefined;

  constructor(
    private readonly settings: ServiceEnv<ImportsEnv>,
    private readonly registry: ImportRegistry,
    private readonly files: ImportFiles,
    private readonly accounts: Accounts,
    private readonly bus: Bus,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.queue = new Queue<RunJob>(QUEUES.importRuns, { connection: this.connect() });
    this.worker = new Worker<RunJob>(QUEUES.importRuns, (job) => this.work(job), {
      connection: this.connect(),
      concurrency: AT_ONCE,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_CHECK_MS,
      maxStalledCount: Number.MAX_SAFE_INTEGER,
    });
    this.queue.on('error', (error) => this.log.debug('queue', { reason: scrub(error.message) }));
    this.worker.on('error', (error) => this.log.warn('job', { reason: scrub(error.message) }));
    this.worker.on('failed', (_job, error) => this.log.error('import run broke off', error));
    this.sweeper = setInterval(() => void this.sweep(), SWEEP_MS);
    void this.sweep();
  }

  /** Before anything that runs depend on is closed. Chunks under way end; the rest is done after the next start. */
  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    clearInterval(this.sweeper);
    const closing = Promise.all([...this.runs.values(), this.worker?.close(), this.queue?.close()]);
    if (!(await settled(closing, AbortSignal.timeout(CLOSE_MS)))) this.log.warn('import runs cut off');
    for (const connection of this.connections) connection.disconnect();
  }

  /**
   * Gives an import a job, unless it has one. Not awaited by those who start imports: when Redis is down, the job is
   * made once it is back.
   */
  async enqueue({ account, importId }: RunJob): Promise<void> {
    if (this.queue === undefined || this.connections[0]?.status !== 'ready') return;
    const options = { jobId: importJobId(importId), removeOnComplete: true, removeOnFail: true };
    await this.queue.add('run', { account, importId }, options);
  }

  private async sweep(): Promise<void> {
    try {
      for (const running of await this.registry.running()) await this.enqueue(running);
    } catch (error) {
      this.log.error('running imports not looked for', error);
    }
  }

  /** A second job for an import that runs here, as after Redis was emptied, waits for the run. */
  private async work(job: Job<RunJob>): Promise<void> {
    const { account, importId } = job.data;
    const run = this.runs.get(importId) ?? this.start(account, importId);
    await run;
  }

  private start(account: Id, importId: Id): Promise<void> {
    const run = this.run(account, importId).finally(() => this.runs.delete(importId));
    this.runs.set(importId, run);
    return run;
  }

  private async run(account: Id, importId: Id): Promise<void> {
    if (this.stopping.signal.aborted) return;
    const { registry, files, accounts, bus, log } = this;
    const head = await registry.decider.reload(await registry.decider.load(account, importId));
    log.info('import runs', { import: importId, state: head.state.phase, row: head.state.nextRow });
    await new ImportRun({ registry, files, accounts, bus, log }, head, this.stopping.signal).toEnd();
    log.info('import run ended', { import: importId });
  }

  private connect(): Redis {
    const connection = new Redis(this.settings.env.REDIS_URL, { maxRetriesPerRequest: null });
    connection.on('error', (error: NodeJS.ErrnoException) =>
      this.log.warn('redis not reached', { reason: error.code ?? error.name }),
    );
    this.connections.push(connection);
    return connection;
  }
}
