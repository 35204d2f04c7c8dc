import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import proxyAddr from 'proxy-addr';
import { clientAddress, createTrust, forwardedFor } from '../../broker/client-address.ts';

const PEER = '10.0.0.1';
const of = (setting: boolean | number | string, ...way: string[]) =>
  clientAddress([PEER, ...way], createTrust(setting));

describe('the address of a client', () => {
  test('is that of its connection, unless a proxy is trusted', () => {
    expect(of(false, '198.51.100.7')).toBe(PEER);
    expect(of('10.0.0.2', '198.51.100.7')).toBe(PEER);
    expect(of('10.0.0.0/8', '198.51.100.7')).toBe('198.51.100.7');
  });

  test('is not what a client has put in front of what the proxy says', () => {
    expect(of(1, '198.51.100.7', '203.0.113.9')).toBe('198.51.100.7');
    expect(of('uniquelocal', '192.168.1.1', '198.51.100.7', '203.0.113.9')).toBe('198.51.100.7');
  });

  test('is that of the proxy where that names no address', () => {
    for (const name of ['unknown', '_hidden', '', '198.51.100.7:5000', 'x'.repeat(1000)])
      expect(of(true, name)).toBe(PEER);
  });

  test('is the one that Express finds', () => {
    const address = fc.oneof(fc.constantFrom(PEER, '10.1.2.3', '127.0.0.1', '::1'), fc.ipV4(), fc.ipV6());
    const settings = fc.constantFrom('loopback', '10.0.0.0/8', 'loopback, uniquelocal', PEER);
    fc.assert(
      fc.property(settings, address, fc.array(address), (setting, peer, forwarded) => {
        const header = forwarded.join(', ');
        const request = { socket: { remoteAddress: peer }, headers: { 'x-forwarded-for': header } };
        const expected = proxyAddr(request as unknown as IncomingMessage, createTrust(setting));
        expect(clientAddress([peer, ...forwardedFor(header)], createTrust(setting))).toBe(expected);
      }),
    );
  });
});
