import { Type } from 'typebox';

const whole = (standard: number, minimum: number, maximum: number, description: string) =>
  Type.Integer({ minimum, maximum, default: standard, description });

/** The longest that a timer takes (2^31 - 1 ms). */
const MAX_MS = 2_147_483_647;
/** MQTT 3.1.1, 2.2.3: what four bytes of remaining length can say, and the header. */
const MAX_PACKET_BYTES = 268_435_460;
/** MQTT 3.1.1, 1.5.3: a string; 2.3.1: a packet identifier; 3.1.2.10: seconds of keep alive. */
const MAX_16_BITS = 65_535;
const MAX_BYTES = 1_073_741_824;
const MAX_COUNT = 10_000_000;

/** Limits on what a stranger, or a client with a fault, may ask of the broker: one process each. `MqttLimits` says what they are for. */
export const limitVariables = {
  MQTT_MAX_UNAUTHENTICATED: whole(16_384, 1, MAX_COUNT, 'connections without a CONNECT'),
  MQTT_MAX_UNAUTHENTICATED_PER_ADDRESS: whole(8192, 1, MAX_COUNT, 'of one client address'),
  MQTT_FAILURES_PER_MINUTE: whole(300, 0, MAX_COUNT, 'of one client address; 0 = no limit'),
  MQTT_ADDRESS_HOLD_OFF_MS: whole(60_000, 100, MAX_MS, 'ms that an address with more failures is held off'),
  MQTT_FLAPPING_LOGINS_PER_MINUTE: whole(1000, 0, MAX_COUNT, 'of one user, and dropped; 0 = no limit'),
  MQTT_FLAPPING_TAKEOVERS_PER_MINUTE: whole(60, 0, MAX_COUNT, 'of one user; 0 = no limit'),
  MQTT_FLAPPING_HOLD_OFF_MS: whole(60_000, 100, MAX_MS, 'ms that a user with more of them is held off'),
  MQTT_LIMIT_LOOPBACK: Type.Unsafe<'on' | 'off'>({
    type: 'string',
    enum: ['on', 'off'],
    default: 'off',
    description: 'whether those are for connections from this machine, too',
  }),
  MQTT_CONNECT_TIMEOUT_MS: whole(10_000, 100, MAX_MS, 'ms from the connection to a complete CONNECT'),
  MQTT_AUTHENTICATION_TIMEOUT_MS: whole(8000, 100, MAX_MS, 'ms that checking a token may take'),
  MQTT_MAX_PACKET_BYTES: whole(65_536, 1024, MAX_PACKET_BYTES, 'of a whole MQTT packet'),
  // The longest in the table of topics has an id of 64 characters
  MQTT_MAX_TOPIC_LENGTH: whole(1024, 128, MAX_16_BITS, 'characters of a topic or a filter'),
  // The most in the table of topics, and what Aedes can match
  MQTT_MAX_TOPIC_LEVELS: whole(100, 4, 100, 'levels of a topic or a filter'),
  MQTT_MAX_CLIENT_ID_LENGTH: whole(256, 23, MAX_16_BITS, 'characters of a client id'),
  MQTT_MAX_SUBSCRIPTIONS: whole(200, 1, MAX_COUNT, 'filters of one client'),
  MQTT_MAX_INFLIGHT_INCOMING: whole(1000, 1, MAX_16_BITS, 'QoS 2 messages of one client without PUBREL'),
  MQTT_MAX_QUEUED_MESSAGES: whole(
    1000,
    1,
    MAX_16_BITS,
    'messages to one session that wait or are not acknowledged',
  ),
  MQTT_MIN_KEEPALIVE_SECONDS: whole(1, 1, MAX_16_BITS, 's; a client that asks for less is given this'),
  MQTT_MAX_KEEPALIVE_SECONDS: whole(
    1200,
    1,
    MAX_16_BITS,
    's; a client that asks for more, or none, is probed',
  ),
  MQTT_SLOW_READER_BYTES: whole(
    65_536,
    1024,
    MAX_BYTES,
    'waiting for a reader that is sent no more positions',
  ),
  MQTT_FROZEN_READER_BYTES: whole(4_194_304, 1024, MAX_BYTES, 'waiting for a reader that is closed'),
  MQTT_DRAIN_TIMEOUT_MS: whole(10_000, 100, MAX_MS, 'ms that a reader may leave its socket full'),
  MQTT_WS_MAX_MESSAGE_BYTES: whole(1_048_576, 1024, MAX_BYTES, 'of a WebSocket message'),
  MQTT_WS_MAX_HEADER_BYTES: whole(16_384, 1024, 1_048_576, 'of the headers of a WebSocket handshake'),
};
