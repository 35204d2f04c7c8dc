import { describe, expect, test } from '@jest/globals';
import { createTokenSigner } from '../../shared/auth/sign.ts';
import { createTokenVerifier } from '../../shared/auth/verify.ts';
import { welcome } from '../../shared/welcome.ts';

const addresses = {
  mqtt: 'mqtt://127.0.0.1:1883',
  ws: 'ws://127.0.0.1:8083/mqtt',
  rest: 'http://127.0.0.1:8096',
  metrics: 'http://127.0.0.1:9096',
};

describe('the first words', () => {
  test('say where everything is', async () => {
    const text = welcome(addresses, await createTokenSigner({ secret: 's', dataDir: '' }));
    for (const address of Object.values(addresses)) expect(text).toContain(address);
  });

  test('have a good token of a driver and one of a rider, to paste', async () => {
    const settings = { secret: 's', dataDir: '' };
    const text = welcome(addresses, await createTokenSigner(settings));
    const verifier = await createTokenVerifier(settings);
    for (const role of ['DRIVER', 'RIDER']) {
      const [, token = ''] = new RegExp(`^export ${role}_TOKEN=(\\S+)$`, 'm').exec(text) ?? [];
      expect(await verifier.verify(token)).toMatchObject({ role });
    }
  });

  test('say who makes the tokens where that is an identity provider', async () => {
    const signer = await createTokenSigner({ jwksUrl: 'https://keys.example/jwks.json', dataDir: '' });
    const text = welcome(addresses, signer);
    expect(text).toContain(addresses.mqtt);
    expect(text).toMatch(/JWT_JWKS_URL.*identity provider/);
    expect(text).not.toContain('_TOKEN=');
  });
});
