import type { Choice } from './choice.ts';
import type { Packets } from './corpus.ts';
import type { Mutation } from './mutation.ts';
import { rawMutations } from './raw-mutations.ts';
import { structuredMutations } from './structured-mutations.ts';

export type MutatedPacket = { bytes: Buffer; mutation: string };

/** Of two when it is not said. What ends a connection hides what would come behind it. */
const WEIGHTS: Record<string, number> = { json: 5, payload: 4, topic: 3, flags: 1 };

const rawNames = Object.keys(rawMutations);
const structuredNames = Object.keys(structuredMutations).flatMap((name) =>
  Array<string>(WEIGHTS[name] ?? 2).fill(name),
);
const all: Record<string, Mutation> = { ...rawMutations, ...structuredMutations };

/** A packet, otherwise than it was. `rawShare`: how many in one are changed without regard to what they are. */
export function mutated(original: Buffer, packets: Packets, choice: Choice, rawShare: number): MutatedPacket {
  for (;;) {
    const mutation = choice.pick(choice.chance(rawShare) ? rawNames : structuredNames);
    const bytes = all[mutation]?.(original, choice, packets.session);
    // It may have had no such part
    if (bytes !== undefined && bytes.length > 0 && !bytes.equals(original)) return { bytes, mutation };
  }
}
