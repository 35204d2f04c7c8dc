/** A position on its way. Times but the first are those of performance.now(), in milliseconds. */
export type SentPosition = {
  /** Epoch ms. */
  readonly recordedAt: number;
  readonly createdAt: number;
  /** Handed to the connection; undefined: it waits for one. */
  sentAt: number | undefined;
  acknowledged: boolean;
};
