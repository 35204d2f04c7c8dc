import type { EmittedMessage } from './index.ts';

/*
 * What goes from node to node, in as few bytes and as little work as it takes: numbers are little-endian, texts UTF-8.
 *
 *   message  flags (bits 0-1 QoS, bit 2 retain), sender's length (1 byte), sender, counter (double), topic's length (2), topic,
 *            payload's length (4), payload
 *   frame    node's length (1), node, link (4), number (double), messages
 */

const RETAIN = 4;
const HEAD = 1 + 1 + 8 + 2 + 4;

/** Aedes' own messages have texts for payloads, and may have no sender. */
type Outgoing = Omit<EmittedMessage, 'payload' | 'brokerId' | 'brokerCounter'> & {
  payload: Buffer | string;
  brokerId?: string | null;
  brokerCounter?: number;
};

export function encodeMessage(message: Outgoing): Buffer {
  const { topic, qos, retain, brokerId, brokerCounter = 0 } = message;
  const sender = brokerId ?? '';
  const payload =
    typeof message.payload === 'string' ? Buffer.from(message.payload) : (message.payload ?? NOTHING);
  const senderLength = Buffer.byteLength(sender);
  const topicLength = Buffer.byteLength(topic);
  if (senderLength > 0xff || topicLength > 0xffff)
    throw new Error('a message with too long a sender or topic');
  const bytes = Buffer.allocUnsafe(HEAD + senderLength + topicLength + payload.length);
  let at = bytes.writeUInt8((qos & 3) | (retain ? RETAIN : 0), 0);
  at = bytes.writeUInt8(senderLength, at);
  at += bytes.write(sender, at);
  at = bytes.writeDoubleLE(brokerCounter, at);
  at = bytes.writeUInt16LE(topicLength, at);
  at += bytes.write(topic, at);
  at = bytes.writeUInt32LE(payload.length, at);
  payload.copy(bytes, at);
  return bytes;
}

const NOTHING = Buffer.alloc(0);

/** The messages that stand one after the other from `at` on. Their payloads are copies: one that is kept does not hold the others. */
export function decodeMessages(bytes: Buffer, from = 0): EmittedMessage[] {
  const messages: EmittedMessage[] = [];
  let at = from;
  while (at < bytes.length) {
    const flags = bytes.readUInt8(at);
    const senderLength = bytes.readUInt8(at + 1);
    at += 2;
    const brokerId = bytes.toString('utf8', at, at + senderLength);
    at += senderLength;
    const brokerCounter = bytes.readDoubleLE(at);
    const topicLength = bytes.readUInt16LE(at + 8);
    at += 10;
    const topic = bytes.toString('utf8', at, at + topicLength);
    at += topicLength;
    const length = bytes.readUInt32LE(at);
    at += 4;
    if (at + length > bytes.length) throw new RangeError('a message that is cut off');
    messages.push({
      cmd: 'publish',
      topic,
      payload: Buffer.from(bytes.subarray(at, at + length)),
      qos: (flags & 3) as 0 | 1 | 2,
      retain: (flags & RETAIN) !== 0,
      brokerId,
      brokerCounter,
    });
    at += length;
  }
  return messages;
}

/** `link` and `number`: see `Link`. */
export type FrameHead = { from: string; link: number; number: number };

export function encodeFrame({ from, link, number }: FrameHead, messages: readonly Buffer[]): Buffer {
  const head = Buffer.allocUnsafe(1 + from.length + 4 + 8);
  let at = head.writeUInt8(from.length, 0);
  at += head.write(from, at, 'latin1');
  at = head.writeUInt32LE(link, at);
  head.writeDoubleLE(number, at);
  return Buffer.concat([head, ...messages]);
}

export function decodeFrame(bytes: Buffer): FrameHead & { messages: EmittedMessage[] } {
  const end = 1 + bytes.readUInt8(0);
  return {
    from: bytes.toString('latin1', 1, end),
    link: bytes.readUInt32LE(end),
    number: bytes.readDoubleLE(end + 4),
    messages: decodeMessages(bytes, end + 12),
  };
}
