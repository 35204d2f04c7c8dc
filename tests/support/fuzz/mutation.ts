import type { Choice } from './choice.ts';

/** Changes a valid packet; `others` gives ones to take parts of. What it is not for comes out as it was. */
export type Mutation = (original: Buffer, choice: Choice, others: () => Buffer) => Buffer;

type Parts = { type: number; qos: number; head: number; body: Buffer };

/** Of a packet that is valid. */
export function partsOf(whole: Buffer): Parts {
  let head = 1;
  while (((whole[head] ?? 0) & 128) !== 0) head++;
  const first = whole[0] ?? 0;
  return { type: first >> 4, qos: (first >> 1) & 3, head: head + 1, body: whole.subarray(head + 1) };
}
