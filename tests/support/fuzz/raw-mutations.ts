import { fixedHeader } from '../raw-mqtt.ts';
import { type Mutation, partsOf } from './mutation.ts';

/** Bytes, wherever they are: the length that the packet says stays as it was, or is a lie. */
export const rawMutations: Record<string, Mutation> = {
  bitFlip: (original, { below }) => {
    const changed = Buffer.from(original);
    const at = below(changed.length);
    changed[at] = (changed[at] ?? 0) ^ (1 << below(8));
    return changed;
  },
  byteSet: (original, { below, pick }) => {
    const changed = Buffer.from(original);
    changed[below(changed.length)] = pick([0, 1, 0x7f, 0x80, 0xff, below(256)]);
    return changed;
  },
  byteInsert: (original, { below }) => {
    const at = below(original.length + 1);
    return Buffer.concat([original.subarray(0, at), Buffer.from([below(256)]), original.subarray(at)]);
  },
  byteDelete: (original, { below }) => {
    const at = below(original.length);
    return Buffer.concat([original.subarray(0, at), original.subarray(at + 1)]);
  },
  truncation: (original, { below }) => original.subarray(0, 1 + below(original.length)),
  splice: (original, { below }, others) => {
    const other = others();
    return Buffer.concat([
      original.subarray(0, 1 + below(original.length)),
      other.subarray(below(other.length)),
    ]);
  },
  lengthLie: (original, { pick, below }) => {
    const { body } = partsOf(original);
    const first = original[0] ?? 0;
    const said = pick([0, 1, Math.max(0, body.length - 1 - below(4)), body.length + 1 + below(4), 65_532]);
    return pick([
      Buffer.concat([fixedHeader(first, said), body]),
      Buffer.concat([fixedHeader(first, 268_435_455), body]),
      Buffer.concat([Buffer.from([first, 0xff, 0xff, 0xff, 0xff, 0x7f]), body]),
      // Longer than it need be: MQTT 3.1.1 does not forbid that
      Buffer.concat([Buffer.from([first, (body.length & 127) | 128, body.length >> 7]), body]),
    ]);
  },
};
