import { Controller } from '@nestjs/common';
import { Instant } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import { Id } from '@muster/contracts/ids';
import { getImport, listImports } from '@muster/contracts/import';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import { z } from 'zod';
import { ImportRegistry, type ImportHead } from './import.registry.js';
import { ImportViews } from './import.view.js';

const Cursor = z.object({ at: Instant, id: Id });

@Controller()
export class ImportQueries {
  constructor(
    private readonly registry: ImportRegistry,
    private readonly views: ImportViews,
  ) {}

  @Handles(getImport)
  async get({ envelope, input }: Ask<typeof getImport>): Promise<AnswerOf<typeof getImport>> {
    const head = await this.registry.decider.load(envelope.account, input.id);
    return { import: await this.views.one(envelope, head) };
  }

  @Handles(listImports)
  async list({ envelope, input }: Ask<typeof listImports>): Promise<AnswerOf<typeof listImports>> {
    const after = input.after === undefined ? null : readCursor(input.after);
    const heads = await this.registry.newest(envelope.account, after, input.limit + 1);
    const page = heads.slice(0, input.limit);
    const last = page.at(-1);
    return {
      items: await this.views.many(envelope, page),
      next: heads.length > page.length && last ? cursorOf(last) : null,
    };
  }
}

const cursorOf = (head: ImportHead): string => `${head.state.createdAt}_${head.id}`;

function readCursor(text: string): z.infer<typeof Cursor> {
  const [at, id] = text.split('_');
  const cursor = Cursor.safeParse({ at, id });
  if (!cursor.success) throw new Refusal('request:invalid', { path: 'after' });
  return cursor.data;
}
