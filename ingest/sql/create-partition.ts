import type { Queries } from '../../shared/database/index.ts';
import { DAY_MS } from '../../shared/schemas/time.ts';

/** `location_history_20261123` for any instant of that UTC day. */
export function partitionName(time: number): string {
  return `location_history_${new Date(time).toISOString().slice(0, 10).replaceAll('-', '')}`;
}

/** When the day of a partition began (epoch ms); undefined: its name is not one of ours. */
export function dayOfPartition(name: string): number | undefined {
  const [, year, month, date] = /^location_history_(\d{4})(\d{2})(\d{2})$/.exec(name) ?? [];
  const day = Date.UTC(Number(year), Number(month) - 1, Number(date));
  return partitionName(Number.isNaN(day) ? 0 : day) === name ? day : undefined;
}

/**
 * Makes the partition of one UTC day, unless it is there. A table of its own is made first and then attached: `create table …
 * partition of` would wait for all who read or write the history, and make everybody else wait behind it. Processes that want the same
 * one take turns. Bounds carry their offset: a session's time zone may be any.
 */
export async function createPartition(queries: Queries, time: number): Promise<void> {
  const from = Math.floor(time / DAY_MS) * DAY_MS;
  const partition = {
    name: partitionName(from),
    from: new Date(from).toISOString(),
    to: new Date(from + DAY_MS).toISOString(),
  };
  await queries.tx(async (transaction) => {
    await transaction.none('lock table location_history in share update exclusive mode');
    const { attached } = await transaction.one<{ attached: boolean }>(
      `select exists (select from pg_inherits
                       where inhparent = 'location_history'::regclass
                         and inhrelid = to_regclass($(name))) as attached`,
      partition,
    );
    if (attached) return;
    await transaction.none(
      `create table if not exists $(name:name) (like location_history including all);
       alter table location_history attach partition $(name:name) for values from ($(from)) to ($(to))`,
      partition,
    );
  });
}
