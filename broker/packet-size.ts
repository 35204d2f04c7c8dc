import type { Client } from 'aedes';

type Parser = {
  _parseLength(): boolean;
  packet: { length: number };
  emit(event: 'error', error: Error): void;
  error: Error | null;
};

/** Of a packet near the limit: its type, and three bytes of length. */
const FIXED_HEADER_BYTES = 4;

/**
 * Ends the connection of a client that announces a packet over the limit, before its body is buffered. Aedes has no
 * limit of its own (moscajs/aedes#831), so it is put into the parser where the fixed header has just been read.
 */
export function limitPacketSize(client: Client, maxPacketBytes: number): void {
  const parser = (client as unknown as { _parser: Parser })._parser;
  const parseLength = parser._parseLength.bind(parser);
  parser._parseLength = () => {
    const parsed = parseLength();
    if (!parsed || FIXED_HEADER_BYTES + parser.packet.length <= maxPacketBytes) return parsed;
    parser.error = new Error(`packet larger than ${maxPacketBytes} bytes`);
    parser.emit('error', parser.error);
    return false;
  };
}
