import { packet, text, uint16 } from '../raw-mqtt.ts';
import { type Mutation, partsOf } from './mutation.ts';

const CONNECT = 1;

/** A CONNECT of which one field is another, and the lengths are true. */
export const mutateConnect: Mutation = (original, { pick, below }) => {
  const { type, body } = partsOf(original);
  if (type !== CONNECT) return original;
  const nameEnd = 2 + body.readUInt16BE(0);
  const level = body.subarray(nameEnd, nameEnd + 1);
  const flags = body.subarray(nameEnd + 1, nameEnd + 2);
  const keepalive = body.subarray(nameEnd + 2, nameEnd + 4);
  const idEnd = nameEnd + 6 + body.readUInt16BE(nameEnd + 4);
  const clientId = body.subarray(nameEnd + 4, idEnd);
  const name = body.subarray(0, nameEnd);
  const rest = body.subarray(idEnd);
  const fields = [name, level, flags, keepalive, clientId, rest];
  const other = [
    () => text(pick(['MQTT', 'mqtt', 'MQIsdp', 'HTTP', '', 'MQTT\0', 'x'.repeat(below(300))])),
    () => Buffer.from([pick([0, 2, 5, 6, 0x83, 0x84, 255, below(256)])]),
    () => Buffer.from([below(256)]),
    () => uint16(pick([0, 1, 65_535])),
    () =>
      text(pick(['', '\0', '../x', 'x'.repeat(below(400)), '__proto__', Buffer.from([0xff, 0xfe]), '#/+'])),
    () =>
      pick([Buffer.alloc(0), rest.subarray(0, below(rest.length)), Buffer.concat([rest, rest]), text('x')]),
  ];
  const which = below(fields.length);
  return packet(
    0x10,
    ...fields.map((field, index) => (index === which ? (other[index]?.() ?? field) : field)),
  );
};
