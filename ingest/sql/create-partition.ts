import type { Queries } from '../../shared/database/index.ts';

export const DAY_MS = 86_400_000;

/** `location_history_20261123` for any instant of that UTC day. */
export function partitionName(time: number): string {
  return `location_history_${new Date(time).toISOString().slice(0, 10).replaceAll('-', '')}`;
}

/** Makes the partition of one UTC day, unless it is there. Bounds carry their offset: a session's time zone may be any. */
export async function createPartition(queries: Queries, time: number): Promise<void> {
  const from = Math.floor(time / DAY_MS) * DAY_MS;
  await queries.none(
    `create table if not exists $(name:name) partition of location_history
       for values from ($(from)) to ($(to))`,
    {
      name: partitionName(from),
      from: new Date(from).toISOString(),
      to: new Date(from + DAY_MS).toISOString(),
    },
  );
}
