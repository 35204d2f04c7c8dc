/** Called for each whole packet: its first byte, and where its body begins and ends in `bytes`. */
export type OnPacket = (first: number, bytes: Buffer, start: number, end: number) => void;

/** Cuts a stream of bytes into MQTT packets, without copying where a packet came whole. */
export class PacketReader {
  private rest: Buffer | undefined;
  private readonly onPacket: OnPacket;

  constructor(onPacket: OnPacket) {
    this.onPacket = onPacket;
  }

  read(chunk: Buffer): void {
    const bytes = this.rest === undefined ? chunk : Buffer.concat([this.rest, chunk]);
    let at = 0;
    for (;;) {
      let length = 0;
      let shift = 0;
      let body = at + 1;
      for (;;) {
        const digit = bytes[body++];
        if (digit === undefined) return this.keep(bytes, at);
        length |= (digit & 127) << shift;
        if (digit < 128) break;
        shift += 7;
      }
      const end = body + length;
      if (end > bytes.length) return this.keep(bytes, at);
      this.onPacket(bytes[at] as number, bytes, body, end);
      at = end;
      if (at === bytes.length) {
        this.rest = undefined;
        return;
      }
    }
  }

  private keep(bytes: Buffer, from: number): void {
    this.rest = from === bytes.length ? undefined : bytes.subarray(from);
  }
}
