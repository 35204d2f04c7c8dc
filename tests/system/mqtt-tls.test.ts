import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Certificate, selfSignedCertificate } from '../support/certificate.ts';
import { type Fleet, json, position, startFleet } from '../support/fleet.ts';
import { connectClient } from '../support/mqtt-client.ts';
import { token } from '../support/platform.ts';
import { encode, openTcp, RawConnection, TYPE } from '../support/raw-mqtt.ts';

let certificate: Certificate;
let fleet: Fleet;
let urls: { mqtts: string; wss: string };

beforeAll(async () => {
  certificate = await selfSignedCertificate();
  fleet = await startFleet({
    MQTTS_PORT: '0',
    MQTT_WSS_PORT: '0',
    TLS_CERT_FILE: certificate.certFile,
    TLS_KEY_FILE: certificate.keyFile,
  });
  const { mqtts, wss } = fleet.platform.ports;
  urls = { mqtts: `mqtts://localhost:${mqtts}`, wss: `wss://localhost:${wss}/mqtt` };
});
afterAll(async () => {
  await fleet?.stop();
  await certificate?.remove();
});

describe.each(['mqtts', 'wss'] as const)('%s', (way) => {
  test('takes a position from a client that trusts the certificate, and delivers it', async () => {
    const operator = await fleet.client('OPERATOR', `operator-${way}`, {
      url: urls[way],
      ca: certificate.pem,
    });
    await operator.client.subscribeAsync('drivers/+/location');
    const driver = await fleet.client('DRIVER', `driver-${way}`, { url: urls[way], ca: certificate.pem });
    await driver.client.publishAsync(`drivers/driver-${way}/location`, json(position({ speed: 4 })), {
      qos: 1,
    });
    expect(await operator.next(({ topic }) => topic === `drivers/driver-${way}/location`)).toMatchObject({
      qos: 0,
      retain: false,
      payload: { speed: 4, driverId: `driver-${way}` },
    });
    expect(await fleet.history(`driver-${way}`)).toHaveLength(1);
  });

  test('checks tokens like the others', async () => {
    const login = connectClient(urls[way], 'garbage', { ca: certificate.pem });
    await expect(login).rejects.toMatchObject({ code: 4 });
  });

  test('is not trusted by a client that does not know the certificate', async () => {
    const login = connectClient(urls[way], await token('DRIVER', 'driver-1'));
    await expect(login).rejects.toMatchObject({ code: expect.stringMatching(/SELF_SIGNED|CERT/) });
  });

  test('closes what is no TLS, and what breaks off in the handshake, and goes on', async () => {
    const port = fleet.platform.ports[way] as number;
    const plain = openTcp(port);
    plain.send(encode.connect({ token: await token('DRIVER', 'driver-1') }));
    await plain.closed;
    expect(plain.received.map(({ type }) => type)).not.toContain(TYPE.CONNACK);
    const broken = openTcp(port);
    broken.send(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]));
    broken.end();
    await broken.closed;
    const again = await fleet.client('RIDER', 'rider-1', { url: urls[way], ca: certificate.pem });
    expect(again.client.connected).toBe(true);
  });
});

test('TLS below 1.2 is not spoken', async () => {
  const options = { port: fleet.platform.ports.mqtts as number, host: 'localhost', ca: certificate.pem };
  const socket = connectTls({
    ...options,
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  });
  const error = await new Promise<Error>((resolve, reject) => {
    socket.once('error', resolve);
    socket.once('secureConnect', () => reject(new Error('connected')));
  });
  expect(error.message).toMatch(/version|protocol/i);
});

test('the listeners without TLS are there as well', async () => {
  const raw = openTcp(fleet.platform.ports.mqtt);
  raw.send(encode.connect({ token: await token('DRIVER', 'driver-2') }));
  expect((await raw.next(TYPE.CONNACK)).body[1]).toBe(0);
  raw.end();
});

test('a packet that is too large ends a TLS connection, too', async () => {
  const socket = connectTls({
    port: fleet.platform.ports.mqtts as number,
    host: 'localhost',
    ca: certificate.pem,
  });
  const raw = new RawConnection(socket);
  raw.send(encode.connect({ token: await token('DRIVER', 'driver-3') }));
  expect((await raw.next(TYPE.CONNACK)).body[1]).toBe(0);
  raw.send(encode.publish('drivers/driver-3/location', 'x'.repeat(70_000), { qos: 1 }));
  await raw.closed;
});
