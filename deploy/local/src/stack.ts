import { mkdirSync } from 'node:fs';
import { StackChild } from './child.js';
import { Guard } from './guard.js';
import { stages, type ProcessSpec } from './plan.js';
import { rotatedLog } from './state.js';

const GRACE_MS = 10_000;

export interface StackOptions {
  logs: string;
  inherited: Readonly<Record<string, string>>;
  say(line: string): void;
  graceMs?: number;
}

/** All processes of the stack, in stages. */
export class Stack {
  private readonly guard = new Guard();
  private readonly stages: StackChild[][];
  private stopping: Promise<void> | undefined;

  constructor(
    specs: readonly ProcessSpec[],
    private readonly options: StackOptions,
  ) {
    mkdirSync(options.logs, { recursive: true, mode: 0o700 });
    this.stages = stages(specs).map((stage) =>
      stage.map(
        (spec) =>
          new StackChild(spec, {
            guard: this.guard,
            logFile: rotatedLog(options.logs, spec.name),
            inherited: options.inherited,
            say: options.say,
          }),
      ),
    );
  }

  get children(): StackChild[] {
    return this.stages.flat();
  }

  /**
   * Starts stage after stage and tells `onStage` when one is ready. When one process fails, everything is stopped and
   * its failure is thrown.
   */
  async start(onStage: (names: string[]) => void = () => undefined): Promise<void> {
    for (const stage of this.stages) {
      try {
        await Promise.all(stage.map((child) => child.start()));
      } catch (failure) {
        await this.stop();
        throw failure;
      }
      if (this.stopping) throw new Error('stopped while starting');
      onStage(stage.map(({ spec }) => spec.name));
    }
    for (const child of this.children) child.keepRunning();
  }

  /** Stops the last stage first, so that nothing loses a store while it still has work. Repeats share one stop. */
  stop(): Promise<void> {
    this.stopping ??= this.stopInOrder();
    return this.stopping;
  }

  /** Kills everything at once. */
  kill(): void {
    for (const child of this.children) child.kill();
    this.guard.close();
  }

  private async stopInOrder(): Promise<void> {
    const graceMs = this.options.graceMs ?? GRACE_MS;
    for (const stage of this.stages.toReversed()) {
      await Promise.all(stage.map((child) => child.stop(graceMs)));
    }
    this.guard.close();
  }
}
