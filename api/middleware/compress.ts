import compression from 'compression';

/** Bytes below which compressing costs more than it saves. */
const THRESHOLD = 2048;

/** gzip or Brotli for large answers. Events must leave at once, and compressing would gather them. */
export const compress = compression({
  threshold: THRESHOLD,
  filter: (request, response) =>
    !String(response.getHeader('Content-Type') ?? '').startsWith('text/event-stream') &&
    compression.filter(request, response),
});
