import type { LoggedPosition } from '../../shared/position-log/index.ts';

/** A way to write a track, in pieces: nothing is held back but the piece at hand. */
export type TrackFormat = {
  mediaType: string;
  /** For the name of the file that a browser saves. */
  extension: string;
  head(): string;
  /** `index` counts from 0. */
  position(position: LoggedPosition, index: number): string;
  /** `count` positions were written. */
  tail(count: number): string;
};

export const iso = (epochMs: number) => new Date(epochMs).toISOString();
