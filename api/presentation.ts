import { positionOf } from '../shared/database/position-row.ts';
import { positionMessage } from '../shared/messages/positions.ts';
import type { CurrentPosition } from '../shared/schemas/outgoing.ts';
import type { CurrentRow } from './sql/latest-position.ts';

/** The newest position of a driver as REST shows it. `now`: epoch ms. */
export const currentMessage = (row: CurrentRow, now: number): CurrentPosition => ({
  ...positionMessage(positionOf(row)),
  status: row.status,
  ageSeconds: Math.max(0, Math.round((now - row.recorded_ms) / 100) / 10),
});
