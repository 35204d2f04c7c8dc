import type { IncomingMessage } from 'node:http';
import { type PerMessageDeflateOptions, type ServerOptions, WebSocketServer } from 'ws';

/**
 * Bytes of a frame from which on it is compressed. A position has 300 to 400, acknowledgements and pongs 2 to 4: those would get longer,
 * and cost a turn of zlib each.
 */
export const COMPRESS_FROM = 128;

/**
 * The window of what we send, as a power of 2. A position is all but like the one before it, which has to be within the window: with
 * 512 B it is not, and nothing is saved; a window of 32 kB saves little more and takes 140 kB more a connection.
 */
const SERVER_WINDOW_BITS = 11;
/** Of what we receive, where a client lets us choose (Firefox does not: 32 kB then). Clients have little to say. */
const CLIENT_WINDOW_BITS = 10;

/**
 * Bounded by its windows, see `npm run -s compression` for what it takes. Context takeover costs no memory: ws keeps the compressor of a
 * connection in any case. What a client sends is unpacked up to `maxPayload`, then the connection is closed.
 */
export const COMPRESSION: PerMessageDeflateOptions = {
  clientNoContextTakeover: true,
  serverMaxWindowBits: SERVER_WINDOW_BITS,
  // The threads that zlib has (libuv): more would only wait there, each with memory of its own
  concurrencyLimit: 4,
  zlibDeflateOptions: { level: 3, memLevel: 2, chunkSize: 1024 },
  zlibInflateOptions: { chunkSize: 4096 },
};

/**
 * Which server is to answer a handshake: an offer that could not be accepted as a whole would be answered with 400, but whoever offers
 * something else is welcome without compression, or with windows of its own.
 */
export function webSocketServers(
  options: ServerOptions,
  isCompressed: boolean,
): (request: IncomingMessage) => WebSocketServer {
  const server = (perMessageDeflate: PerMessageDeflateOptions | false) =>
    new WebSocketServer({ ...options, noServer: true, perMessageDeflate });
  const plain = server(false);
  if (!isCompressed) return () => plain;
  const compressed = server(COMPRESSION);
  const bounded = server({ ...COMPRESSION, clientMaxWindowBits: CLIENT_WINDOW_BITS });
  return ({ headers }) => {
    const offer = headers['sec-websocket-extensions'] ?? '';
    if (windowsOf(offer, 'server').some((bits) => bits < SERVER_WINDOW_BITS)) return plain;
    const windows = windowsOf(offer, 'client');
    return windows.length > 0 && windows.every((bits) => bits >= CLIENT_WINDOW_BITS) ? bounded : compressed;
  };
}

/** RFC 7692, 7.1.2; without a number: any. */
const windowsOf = (offer: string, side: 'server' | 'client'): number[] =>
  [...offer.matchAll(new RegExp(`${side}_max_window_bits(?:\\s*=\\s*"?(\\d+))?`, 'g'))].map(
    ([, bits = '15']) => Number(bits),
  );
