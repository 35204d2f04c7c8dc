import type { TSchema } from 'typebox';
import { Type } from 'typebox';
import { ownTracksSchema } from '../shared/devices/owntracks.ts';
import { driverStatusSchema } from '../shared/schemas/driver-status.ts';
import {
  driverStatusMessageSchema,
  errorMessageSchema,
  storedPositionSchema,
  tripLocationSchema,
  tripStatusMessageSchema,
} from '../shared/schemas/outgoing.ts';
import { MAX_BACKLOG_POSITIONS, positionSchema } from '../shared/schemas/position.ts';
import { type TopicName, topics } from '../shared/topics.ts';
import { transitionSchema } from '../shared/trips/transition-message.ts';

type Messages = { fromClients?: TSchema; toClients?: TSchema };

/** What goes over each topic of the table. */
const messages: Record<TopicName, Messages> = {
  driverLocation: { fromClients: positionSchema, toClients: storedPositionSchema },
  driverBacklog: {
    fromClients: Type.Array(positionSchema, { minItems: 1, maxItems: MAX_BACKLOG_POSITIONS }),
  },
  driverStatus: { fromClients: driverStatusSchema, toClients: driverStatusMessageSchema },
  driverTrips: { toClients: tripStatusMessageSchema },
  driverErrors: { toClients: errorMessageSchema },
  riderTrips: { toClients: tripStatusMessageSchema },
  riderErrors: { toClients: errorMessageSchema },
  sessionToken: { fromClients: Type.String({ description: 'a JWT' }) },
  tripTransition: { fromClients: transitionSchema },
  tripLocation: { toClients: tripLocationSchema },
  tripStatus: { toClients: tripStatusMessageSchema },
  ownTracks: { fromClients: ownTracksSchema },
  ownTracksOther: { fromClients: ownTracksSchema },
};

const parametersOf = (pattern: string) =>
  Object.fromEntries([...pattern.matchAll(/\{(\w+)\}/g)].map(([, name]) => [name, {}]));

/** Topics are our own levels; an address may not begin with a slash. */
const pointer = (name: string) => ({ $ref: `#/channels/${name}` });

/** The AsyncAPI 3 document of the MQTT topics, made of the one table of topics. */
export function asyncApiDocument(host: string, version: string): object {
  const channels: Record<string, object> = {};
  const operations: Record<string, object> = {};
  for (const name of Object.keys(topics) as TopicName[]) {
    const { pattern, description } = topics[name];
    const { fromClients, toClients } = messages[name];
    const parameters = parametersOf(pattern);
    const channelMessages = Object.fromEntries(
      Object.entries({ fromClients, toClients }).flatMap(([direction, payload]) =>
        payload === undefined
          ? []
          : [
              [
                direction,
                { contentType: name === 'sessionToken' ? 'text/plain' : 'application/json', payload },
              ],
            ],
      ),
    );
    channels[name] = {
      address: pattern,
      description,
      messages: channelMessages,
      ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
    };
    if (fromClients !== undefined)
      operations[`receive_${name}`] = {
        action: 'receive',
        channel: pointer(name),
        summary: `Clients publish: ${description}`,
        messages: [{ $ref: `#/channels/${name}/messages/fromClients` }],
      };
    if (toClients !== undefined)
      operations[`send_${name}`] = {
        action: 'send',
        channel: pointer(name),
        summary: `Clients subscribe: ${description}`,
        messages: [{ $ref: `#/channels/${name}/messages/toClients` }],
      };
  }
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Fleetcast over MQTT',
      version,
      description:
        'MQTT 3.1.1 over TCP and WebSocket (path `/mqtt`, subprotocol `mqtt`). The CONNECT password is a JWT.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/json',
    servers: {
      mqtt: { host, protocol: 'mqtt', protocolVersion: '3.1.1', security: [{ type: 'userPassword' }] },
    },
    channels,
    operations,
  };
}
