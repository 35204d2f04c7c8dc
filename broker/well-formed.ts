import { isUtf8 } from 'node:buffer';
import type { Client, ConnectPacket, Subscription } from 'aedes';
import { isFilter } from './filters.ts';

/** As much of what the parser has read as is looked at. */
type Packet = {
  cmd: string;
  length: number;
  qos: number;
  dup: boolean;
  subscriptions?: Subscription[];
  unsubscriptions?: string[];
};

type Parser = {
  _parsePayload(): boolean;
  _parseString(): string | null;
  _emitError(error: Error): void;
  error: Error | null;
  packet: Packet;
  _pos: number;
  _list: { length: number; slice(start: number, end: number): Buffer; readUInt8(at: number): number };
};

const UNACCEPTABLE_LEVEL = Buffer.from([0x20, 2, 0, 1]);

/** The names of the protocol with the level of each that is spoken here: MQTT 3.1.1 and 3.1. */
const PROTOCOLS = [
  { name: Buffer.from('\0\x04MQTT'), level: 4 },
  { name: Buffer.from('\0\x06MQIsdp'), level: 3 },
];

/**
 * Ends the connection of a client whose packets MQTT 3.1.1 calls malformed, where Aedes' parser is content with them: text that is not
 * UTF-8, filters with a wildcard in the wrong place, DUP at QoS 0, and a CONNECT whose flags contradict each other. One of another version is told
 * so. (Lengths and identifiers: packet-shape.ts.)
 */
export function insistOnWellFormed(client: Client): void {
  const parser = (client as unknown as { _parser: Parser })._parser;
  const parseString = parser._parseString.bind(parser);
  const parsePayload = parser._parsePayload.bind(parser);

  // null: what is read can't be parsed, which ends the connection
  parser._parseString = () => {
    const start = parser._pos + 2;
    const text = parseString();
    if (text === null || text.includes('\0')) return null;
    // What is not UTF-8 has become U+FFFD. A client may have sent just that
    return !text.includes('\uFFFD') || isUtf8(parser._list.slice(start, parser._pos)) ? text : null;
  };

  parser._parsePayload = () => {
    const { packet } = parser;
    if (packet.cmd === 'connect' && isOfAnotherVersion(parser)) {
      parser.error = new Error('unacceptable protocol level');
      (client as unknown as { pause(): void }).pause();
      client.conn.end(UNACCEPTABLE_LEVEL);
      return false;
    }
    const parsed = parsePayload();
    if (!parsed || parser.error !== null) return parsed;
    const problem = problemOf(packet);
    if (problem !== undefined) parser._emitError(new Error(problem));
    return parsed;
  };
}

function isOfAnotherVersion({ packet: { length }, _list: list }: Parser): boolean {
  const isWhole = list.length >= length;
  if (!isWhole) return false;
  for (const { name, level } of PROTOCOLS)
    if (length > name.length && list.slice(0, name.length).equals(name))
      return list.readUInt8(name.length) !== level;
  return false;
}

function problemOf(packet: Packet): string | undefined {
  switch (packet.cmd) {
    case 'publish':
      // MQTT 3.1.1, 3.3.1-2
      return packet.dup && packet.qos === 0 ? 'DUP at QoS 0' : undefined;
    case 'connect':
      return connectProblem(packet as unknown as ConnectPacket);
    case 'subscribe':
      return filterProblem(packet.subscriptions?.map(({ topic }) => topic));
    case 'unsubscribe':
      return filterProblem(packet.unsubscriptions);
    default:
      return undefined;
  }
}

function filterProblem(filters: readonly string[] = []): string | undefined {
  if (filters.length === 0) return 'no topic filters';
  return filters.every(isFilter) ? undefined : 'not a topic filter';
}

function connectProblem({ username, password, will }: ConnectPacket): string | undefined {
  // MQTT 3.1.1, 3.1.2-22
  if (password !== undefined && username === undefined) return 'a password without a user name';
  if (will === undefined) return undefined;
  // MQTT 3.1.1, 3.1.2-14
  if ((will.qos as number) > 2) return 'a will at QoS 3';
  return will.topic === '' || /[+#]/.test(will.topic) ? 'not a topic of a will' : undefined;
}
