/*
 * MQTT packets as bytes, made once and sent many times: what the clients of a benchmark cost must not grow with what they say.
 */

/** A publish whose packet id and time are written into it each time it is sent. */
export type PublishTemplate = {
  bytes: Buffer;
  /** Where the packet id stands; undefined at QoS 0. */
  idAt: number | undefined;
  /** Where the 24 characters of `recordedAt` stand. */
  timeAt: number;
};

const TIME_KEY = '"recordedAt":"';
const SOME_TIME = '2000-01-01T00:00:00.000Z';

const uint16 = (value: number) => Buffer.from([value >> 8, value & 255]);

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint16(bytes.length), bytes]);
}

function packet(first: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const header = [first];
  let rest = body.length;
  do {
    header.push((rest & 127) | (rest > 127 ? 128 : 0));
    rest >>= 7;
  } while (rest > 0);
  return Buffer.concat([Buffer.from(header), body]);
}

/** A clean session without keep-alive. */
export const connectFrame = (clientId: string, password: string): Buffer =>
  packet(0x10, text('MQTT'), Buffer.from([4, 0xc2, 0, 0]), text(clientId), text('bench'), text(password));

export const subscribeFrame = (id: number, filter: string, qos: 0 | 1): Buffer =>
  packet(0x82, uint16(id), text(filter), Buffer.from([qos]));

export const pubackFrame = (id: number): Buffer => Buffer.from([0x40, 2, id >> 8, id & 255]);

/** One position of some 120 bytes, as a phone sends it. */
export function publishTemplate(topic: string, qos: 0 | 1, number: number): PublishTemplate {
  const latitude = (48.1 + (number % 200) / 1000).toFixed(6);
  const longitude = (16.2 + (Math.floor(number / 200) % 200) / 1000).toFixed(6);
  const payload = `{"latitude":${latitude},"longitude":${longitude},"bearing":90,"speed":12.5,"accuracy":5,${TIME_KEY}${SOME_TIME}"}`;
  const bytes = packet(
    0x30 | (qos << 1),
    text(topic),
    qos > 0 ? uint16(1) : Buffer.alloc(0),
    Buffer.from(payload),
  );
  const idAt = qos > 0 ? bytes.length - Buffer.byteLength(payload) - 2 : undefined;
  return { bytes, idAt, timeAt: bytes.length - SOME_TIME.length - 2 };
}

const timeKey = Buffer.from(TIME_KEY);

/** Milliseconds of the day of the `recordedAt` within a PUBLISH; undefined: there is none. */
export function timeIn(bytes: Buffer, start: number, end: number): number | undefined {
  const key = bytes.indexOf(timeKey, start);
  const time = key + timeKey.length;
  if (key === -1 || time + SOME_TIME.length > end) return undefined;
  const digit = (at: number) => (bytes[time + at] ?? 48) - 48;
  const two = (at: number) => digit(at) * 10 + digit(at + 1);
  return ((two(11) * 60 + two(14)) * 60 + two(17)) * 1000 + two(20) * 10 + digit(22);
}
