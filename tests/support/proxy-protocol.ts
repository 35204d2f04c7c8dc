import { isIPv6 } from 'node:net';

/** PROXY protocol, version 1, as haproxy's `send-proxy` sends it. */
export const v1Header = (source: string): Buffer =>
  Buffer.from(
    isIPv6(source)
      ? `PROXY TCP6 ${source} ::1 5000 1883\r\n`
      : `PROXY TCP4 ${source} 192.0.2.1 5000 1883\r\n`,
  );

type V2 = {
  /** IPv4, or IPv6 with all of its eight groups. */
  source: string;
  /** Version and command. */
  command?: number;
  family?: number;
  /** TLVs. */
  tail?: Uint8Array;
  /** Said, whatever follows. */
  length?: number;
};

/** Version 2, as haproxy's `send-proxy-v2` sends it. */
export function v2Header({ source, command = 0x21, family, tail = new Uint8Array(), length }: V2): Buffer {
  const six = isIPv6(source);
  const address = six
    ? Buffer.from(
        source
          .split(':')
          .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]),
      )
    : Buffer.from(source.split('.').map(Number));
  const body = Buffer.concat([address, address, Buffer.from([19, 136, 7, 91]), tail]);
  const head = Buffer.from([command, ((family ?? (six ? 2 : 1)) << 4) | 1, 0, 0]);
  head.writeUInt16BE(length ?? body.length, 2);
  return Buffer.concat([Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'), head, body]);
}
