import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseProxyHeader } from '../../broker/proxy-header.ts';
import { v2Header } from '../support/proxy-protocol.ts';

const parse = (text: string) => parseProxyHeader(Buffer.from(text, 'latin1'));
const MQTT = Buffer.from([0x10, 12, 0, 4]);

const address4 = fc.ipV4();
const address6 = fc.ipV6().filter((address) => !address.includes('.'));
const port = fc.integer({ min: 0, max: 65_535 });

const headers = fc.oneof(
  fc
    .record({ source: address4, destination: address4, from: port, to: port })
    .map(({ source, destination, from, to }) => ({
      source,
      bytes: Buffer.from(`PROXY TCP4 ${source} ${destination} ${from} ${to}\r\n`),
    })),
  fc
    .record({ source: address6, destination: address6, from: port, to: port })
    .map(({ source, destination, from, to }) => ({
      source,
      bytes: Buffer.from(`PROXY TCP6 ${source} ${destination} ${from} ${to}\r\n`),
    })),
  fc.record({ source: address4, tail: fc.uint8Array({ maxLength: 300 }) }).map(({ source, tail }) => ({
    source,
    bytes: v2Header({ source, tail }),
  })),
);

describe('a PROXY header', () => {
  test('of any kind is taken whole, whatever follows, and waited for while it is not', () => {
    fc.assert(
      fc.property(headers, fc.uint8Array({ maxLength: 50 }), ({ source, bytes }, rest) => {
        expect(parseProxyHeader(Buffer.concat([bytes, rest]))).toEqual({
          kind: 'header',
          length: bytes.length,
          source,
        });
        for (let length = 0; length < bytes.length; length++)
          expect(parseProxyHeader(bytes.subarray(0, length))).toEqual({ kind: 'more' });
      }),
      { numRuns: 50 },
    );
  });

  test('of version 2 names an IPv6 address', () => {
    const bytes = v2Header({ source: '2001:db8:0:0:0:0:0:7' });
    expect(parseProxyHeader(bytes)).toMatchObject({ kind: 'header', source: '2001:db8:0:0:0:0:0:7' });
  });

  test('may say that the proxy speaks for itself', () => {
    expect(parse('PROXY UNKNOWN\r\n')).toEqual({ kind: 'header', length: 15, source: undefined });
    expect(parse('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n')).toMatchObject({
      kind: 'header',
      source: undefined,
    });
    const local = v2Header({ source: '198.51.100.7', command: 0x20 });
    expect(parseProxyHeader(local)).toEqual({ kind: 'header', length: local.length, source: undefined });
    const unix = v2Header({ source: '198.51.100.7', family: 3 });
    expect(parseProxyHeader(unix)).toMatchObject({ kind: 'header', source: undefined });
  });

  test.each([
    ['an unknown family', 'PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n'],
    ['no family', 'PROXY \r\n'],
    ['an address of another family', 'PROXY TCP4 ::1 ::1 1 2\r\n'],
    ['no address', 'PROXY TCP4 localhost 1.2.3.4 1 2\r\n'],
    ['no ports', 'PROXY TCP4 1.2.3.4 1.2.3.4\r\n'],
    ['a port too many', 'PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n'],
    ['a port out of range', 'PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n'],
    ['two spaces', 'PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n'],
    ['no end', `PROXY TCP4 ${'1'.repeat(200)}`],
    ['an end past the 107th byte', `PROXY UNKNOWN ${'x'.repeat(100)}\r\n`],
  ])('with %s is malformed', (_what, text) => {
    expect(parse(text)).toEqual({ kind: 'malformed' });
  });

  test.each([
    ['another version', v2Header({ source: '1.2.3.4', command: 0x11 })],
    ['an unknown command', v2Header({ source: '1.2.3.4', command: 0x22 })],
    ['less than its addresses', v2Header({ source: '1.2.3.4', length: 11 })],
    ['more than we hold', v2Header({ source: '1.2.3.4', length: 60_000 })],
  ])('of version 2 with %s is malformed', (_what, bytes) => {
    expect(parseProxyHeader(bytes)).toEqual({ kind: 'malformed' });
  });

  test('is what nothing else begins with', () => {
    for (const bytes of [
      MQTT,
      Buffer.from([0x16, 3, 1]),
      Buffer.from('GET / HTTP/1.1'),
      Buffer.from('POST / H'),
    ])
      expect(parseProxyHeader(bytes)).toEqual({ kind: 'none' });
  });

  test('of any bytes is decided about without a fault, and not waited for without end', () => {
    const start = fc.constantFrom(
      '',
      'PROXY ',
      'PROXY TCP4 ',
      '\r\n\r\n\0\r\nQUIT\n',
      '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c',
    );
    fc.assert(
      fc.property(start, fc.uint8Array({ minLength: 1500, maxLength: 1600 }), (beginning, rest) => {
        const { kind } = parseProxyHeader(Buffer.concat([Buffer.from(beginning, 'latin1'), rest]));
        expect(['none', 'malformed', 'header']).toContain(kind);
      }),
    );
  });
});
