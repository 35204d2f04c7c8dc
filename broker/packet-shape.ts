import type { Client } from 'aedes';

type Parser = {
  _parsePayload(): boolean;
  /** Where the parser is in the packet, or behind it. */
  _pos: number;
  packet: { cmd: string; length: number; messageId?: number };
  emit(event: 'error', error: Error): void;
  error: Error | null;
};

/**
 * Ends the connection of a client whose packet is shorter or longer than what it holds (MQTT 3.1.1, 4.8.0-1), or has the identifier 0
 * (2.3.1-1). mqtt-packet reads a field that is missing from the packet behind it: what a client is answered would hang on how the
 * network has cut its bytes.
 */
export function checkPacketShape(client: Client): void {
  const parser = (client as unknown as { _parser: Parser })._parser;
  const parsePayload = parser._parsePayload.bind(parser);
  parser._parsePayload = () => {
    const isWhole = parsePayload();
    if (!isWhole || parser.error !== null) return isWhole;
    const problem = shapeProblem(parser);
    if (problem === undefined) return true;
    parser.error = new Error(problem);
    parser.emit('error', parser.error);
    return false;
  };
}

/** Of a packet that was just parsed. */
function shapeProblem({ packet: { cmd, length, messageId }, _pos: end }: Parser): string | undefined {
  // Where nothing has come that could be read in its place, the parser says -1
  if (end > length || messageId === -1) return `${cmd}: shorter than what it holds`;
  // The rest of a PUBLISH is its payload
  if (end < length && cmd !== 'publish') return `${cmd}: longer than what it holds`;
  if (messageId === 0) return `${cmd}: packet identifier 0`;
  return undefined;
}
