import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { errorCatalogue, type Refusal } from '../shared/errors.ts';
import { newRequestId } from './middleware/request-id.ts';
import { problemDocument } from './problem.ts';

function refusalOf(error: NodeJS.ErrnoException): Refusal {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return { code: 'HEADERS_TOO_LARGE', message: 'the request line and headers are larger than 16 KiB' };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { code: 'REQUEST_TIMEOUT', message: 'the request did not arrive in time' };
    default:
      return { code: 'INVALID_PARAMETER', message: 'the request is not well-formed HTTP' };
  }
}

/** Time for the answer to arrive before the connection is cut: a reset would take it away again. */
const LINGER_MS = 1000;

/** The answer that is being sent on this connection: Node keeps it there, and its own handler looks at it too. */
type HttpSocket = Duplex & { _httpMessage?: { headersSent: boolean } | null };

/**
 * What Node refuses before it is a request that Express could answer: a problem document too, written to the
 * socket by hand. Listener for `clientError`.
 */
export function answerClientError(error: NodeJS.ErrnoException, socket: HttpSocket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socket._httpMessage?.headersSent)
    return void socket.destroy();
  const refusal = refusalOf(error);
  const { status } = errorCatalogue[refusal.code];
  const requestId = newRequestId();
  const body = problemDocument(refusal, requestId);
  socket.on('error', () => socket.destroy());
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'Content-Type: application/problem+json; charset=utf-8',
      `X-Request-Id: ${requestId}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  );
  socket.resume();
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}
