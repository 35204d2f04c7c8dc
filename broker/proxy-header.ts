import { isIP, type Socket } from 'node:net';

/** haproxy's proxy-protocol.txt, 2.1: the longest header of version 1, with its line end. */
const MAX_V1_BYTES = 107;
const V1_START = Buffer.from('PROXY ');
const V2_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_HEAD_BYTES = 16;
/** Two addresses and ports. What may follow them (TLVs) says nothing that we ask for. */
const V2_ADDRESS_BYTES = { 1: 12, 2: 36 } as const;
/** Room for an Ethernet frame, as proxy-protocol.txt asks of a receiver (2.2): TLVs of load balancers fit many times. */
const MAX_V2_BYTES = 1500;

/**
 * What the first bytes of a connection are.
 * - `more`: they may be the start of a header.
 * - `none`: they are no header: MQTT, TLS or HTTP begin otherwise.
 * - `malformed`: they begin as one, and are none.
 * - a header of `length` bytes. `source` undefined: the proxy speaks for itself (a health check), or for no IP connection.
 */
export type ProxyHeader =
  | { kind: 'more' | 'none' | 'malformed' }
  | { kind: 'header'; length: number; source: string | undefined };

/** PROXY protocol, versions 1 and 2 (https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt). */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (startsWith(bytes, V1_START)) return parseV1(bytes);
  if (startsWith(bytes, V2_START)) return parseV2(bytes);
  return { kind: 'none' };
}

/** As far as it goes. */
function startsWith(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

function parseV1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, MAX_V1_BYTES).indexOf('\r\n');
  if (end < 0) return { kind: bytes.length < MAX_V1_BYTES ? 'more' : 'malformed' };
  const length = end + 2;
  const [, family = '', ...rest] = bytes.toString('latin1', 0, end).split(' ');
  if (family === 'UNKNOWN') return { kind: 'header', length, source: undefined };
  const [source = '', destination = '', ...ports] = rest;
  const version = { TCP4: 4, TCP6: 6 }[family];
  const isWhole =
    version !== undefined &&
    isIP(source) === version &&
    isIP(destination) === version &&
    ports.length === 2 &&
    ports.every((port) => /^\d{1,5}$/.test(port) && Number(port) <= 65_535);
  return isWhole ? { kind: 'header', length, source } : { kind: 'malformed' };
}

function parseV2(bytes: Buffer): ProxyHeader {
  if (bytes.length < V2_HEAD_BYTES) return { kind: 'more' };
  const command = bytes.readUInt8(12);
  const family = bytes.readUInt8(13) >> 4;
  const length = V2_HEAD_BYTES + bytes.readUInt16BE(14);
  if ((command !== 0x20 && command !== 0x21) || length > MAX_V2_BYTES) return { kind: 'malformed' };
  if (bytes.length < length) return { kind: 'more' };
  // LOCAL, or of a kind that is none of ours: to be taken as if there were no header
  if (command === 0x20 || (family !== 1 && family !== 2))
    return { kind: 'header', length, source: undefined };
  if (length < V2_HEAD_BYTES + V2_ADDRESS_BYTES[family]) return { kind: 'malformed' };
  const source = family === 1 ? ipv4(bytes) : ipv6(bytes);
  return { kind: 'header', length, source };
}

const ipv4 = (bytes: Buffer) => [...bytes.subarray(V2_HEAD_BYTES, V2_HEAD_BYTES + 4)].join('.');

const ipv6 = (bytes: Buffer) =>
  Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(V2_HEAD_BYTES + 2 * group).toString(16)).join(
    ':',
  );

/**
 * Reads the header that a trusted proxy may send first, and puts back what follows it. `done` gets the source that it names, or
 * undefined; it is not called where the connection was closed: for a malformed header, or by its end. How long it may take is
 * the guard's business.
 */
export function readProxyHeader(socket: Socket, done: (source: string | undefined) => void): void {
  let bytes = Buffer.alloc(0);
  const fail = () => socket.destroy();
  const read = () => {
    for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null)
      bytes = Buffer.concat([bytes, chunk]);
    const header = parseProxyHeader(bytes);
    if (header.kind === 'more') return;
    socket.off('readable', read);
    socket.off('error', fail);
    socket.off('end', fail);
    if (header.kind === 'malformed') return fail();
    const rest = header.kind === 'header' ? bytes.subarray(header.length) : bytes;
    if (rest.length > 0) socket.unshift(rest);
    done(header.kind === 'header' ? header.source : undefined);
  };
  socket.on('readable', read);
  socket.on('error', fail);
  socket.on('end', fail);
}
