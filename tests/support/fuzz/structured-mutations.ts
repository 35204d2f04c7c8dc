import { packet, text, uint16 } from '../raw-mqtt.ts';
import { mutateConnect } from './connect-mutation.ts';
import { mutateJson } from './json-mutation.ts';
import { type Mutation, partsOf } from './mutation.ts';

/** What is not UTF-8, or no character that MQTT 3.1.1 (section 1.5.3) lets a text have. */
const BAD_TEXT = ['ff', 'c080', 'eda080', 'f4908080', '00', 'efbfbf', 'c3', 'e28080fe', '7f', 'f09f9a97'].map(
  (hex) => Buffer.from(hex, 'hex'),
);

/** A part of it, and the lengths are true: what the parser lets through to what is behind it. */
export const structuredMutations: Record<string, Mutation> = {
  json: (original, choice) => withPayload(original, (payload) => mutateJson(payload, choice)),
  payload: (original, { below, pick }) =>
    withPayload(original, (payload) =>
      pick([
        Buffer.alloc(0),
        payload.subarray(0, below(payload.length + 1)),
        Buffer.concat([payload, payload]),
        Buffer.concat([pick(BAD_TEXT), payload]),
        Buffer.from(Array.from({ length: below(200) }, () => below(256))),
      ]),
    ),
  topic: (original, { pick, below }) =>
    withTopic(original, (topic) =>
      pick([
        insert(topic, pick(BAD_TEXT), below(topic.length + 1)),
        insert(
          topic,
          Buffer.from(pick(['/', '//', '+', '#', '$', ' ', '..', '%00', "'"])),
          below(topic.length),
        ),
        Buffer.concat([topic, Buffer.from('/x'.repeat(below(300)))]),
        Buffer.from(topic.toString().toUpperCase()),
        Buffer.from('x'.repeat(below(2000))),
        topic.subarray(0, below(topic.length + 1)),
      ]),
    ),
  packetId: (original, { pick, below }) =>
    withId(original, pick([0, 1, 65_535, ...Array.from({ length: 5 }, () => below(65_536))])),
  flags: (original, { below }) => {
    const changed = Buffer.from(original);
    changed[0] = ((changed[0] ?? 0) & 0xf0) | below(16);
    return changed;
  },
  duplicate: (original, { below }) => Buffer.concat(Array.from({ length: 2 + below(3) }, () => original)),
  reorder: (original, _choice, others) => Buffer.concat([others(), original]),
  connect: mutateConnect,
};

const PUBLISH = 3;
const SUBSCRIBE = 8;
const UNSUBSCRIBE = 10;

/** Other packets than PUBLISH have none, and stay as they are. */
function withPayload(whole: Buffer, change: (payload: Buffer) => Buffer): Buffer {
  const { type, qos, body } = partsOf(whole);
  if (type !== PUBLISH) return whole;
  const start = 2 + body.readUInt16BE(0) + (qos > 0 ? 2 : 0);
  return packet(whole[0] ?? 0, body.subarray(0, start), change(body.subarray(start)));
}

/** The topic of a PUBLISH, the first filter of a SUBSCRIBE or UNSUBSCRIBE. */
function withTopic(whole: Buffer, change: (topic: Buffer) => Buffer): Buffer {
  const { type, body } = partsOf(whole);
  if (type !== PUBLISH && type !== SUBSCRIBE && type !== UNSUBSCRIBE) return whole;
  const start = type === PUBLISH ? 0 : 2;
  const end = start + 2 + body.readUInt16BE(start);
  return packet(
    whole[0] ?? 0,
    body.subarray(0, start),
    text(change(body.subarray(start + 2, end))),
    body.subarray(end),
  );
}

function withId(whole: Buffer, id: number): Buffer {
  const { type, qos, body } = partsOf(whole);
  if (body.length < 2 || (type === PUBLISH && qos === 0) || type === 1) return whole;
  const start = type === PUBLISH ? 2 + body.readUInt16BE(0) : 0;
  return packet(whole[0] ?? 0, body.subarray(0, start), uint16(id), body.subarray(start + 2));
}

const insert = (into: Buffer, what: Buffer, at: number) =>
  Buffer.concat([into.subarray(0, at), what, into.subarray(at)]);
