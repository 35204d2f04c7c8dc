import type { Variables } from './variables.ts';

/** What a stranger, or a client with a fault, may ask of a broker. Each holds for one process. */
export type MqttLimits = {
  /** Connections that have not said who they are (their CONNECT is not complete). Beyond: the oldest of them is closed. */
  maxUnauthenticated: number;
  /** The same of one address (IPv6: of one /64). */
  maxUnauthenticatedPerAddress: number;
  /**
   * Connections of one address that end without a login, for each client that is logged in from there, and one time more. Beyond: what
   * comes from it is closed at once, for a while. 0: no limit.
   */
  failuresPerMinute: number;
  addressHoldOffMs: number;
  /** Logins of one user that ended, by the client or the network. Beyond: its logins are refused, for a while. 0: no limit. */
  flappingLoginsPerMinute: number;
  /** Of these, those that ended because another connection came with the same client id. 0: no limit. */
  flappingTakeoversPerMinute: number;
  flappingHoldOffMs: number;
  /** Whether what connects from this machine itself counts for an address or user. */
  limitsLoopback: boolean;
  /** ms from the TCP connection to a complete CONNECT, with the handshakes of TLS and WebSocket. Beyond: it is closed. */
  connectTimeoutMs: number;
  /** ms that checking a token may take: a JWKS server that is away must not hold connections open. */
  authenticationTimeoutMs: number;
  /** A whole MQTT packet. A batch of 500 positions of 120 bytes just fits. Beyond: the connection is closed. */
  maxPacketBytes: number;
  /** Characters of a topic or filter. The longest of the table of topics have 80 and a device's name. Beyond: refused as any other that is not in it. */
  maxTopicLength: number;
  /** Levels of a topic or filter, likewise. Aedes can't match more than 100 (qlobber's max_words). */
  maxTopicLevels: number;
  /** Characters of a client id as sent. MQTT 3.1.1 lets a server choose; the longest in use are UUIDs with prefixes. */
  maxClientIdLength: number;
  /** Filters that one client may hold. A rider needs three, an operator's console a dozen. */
  maxSubscriptions: number;
  /**
   * QoS 2 publishes of one client that wait for their PUBREL. A client that sends its backlog in one go has hundreds on their way
   * before its first PUBREL, and can't be slowed down (what it is to send next comes after them): beyond, it is closed.
   */
  maxInflightIncoming: number;
  /**
   * QoS 1 and 2 messages for one session that wait for its client, or were sent to it and not acknowledged: what a driver or a rider
   * that was away for a day still wants to know. Beyond, the oldest that was not sent is dropped; if all were sent, the client reads
   * and never acknowledges, and is closed. (A clean session has no queue.)
   */
  maxQueuedMessages: number;
  /** s. A client that asks for a shorter keep alive is watched with this one: MQTT 3.1.1 can't tell it so. */
  minKeepaliveSeconds: number;
  /** s. A client that asks for a longer keep alive, or for none, is probed: by TCP, and by pings over WebSocket. */
  maxKeepaliveSeconds: number;
  /** Bytes waiting in a reader's socket from which on positions (QoS 0) are left out for it. */
  slowReaderBytes: number;
  /** Bytes waiting in a reader's socket with which it is closed: by default some 20,000 statuses, which may not be left out. */
  frozenReaderBytes: number;
  /** ms that a reader may leave its socket full before it is dropped. */
  drainTimeoutMs: number;
  /**
   * Bytes of a WebSocket message, which is held until it is complete. It may hold many packets: browsers' clients put all that has
   * waited for the connection into one, and a backlog of some hours is a dozen batches.
   */
  maxWebSocketMessageBytes: number;
  /** Bytes of the request of a WebSocket handshake. */
  maxWebSocketHeaderBytes: number;
};

export function mqttLimits(values: Variables): MqttLimits {
  return {
    maxUnauthenticated: values.MQTT_MAX_UNAUTHENTICATED,
    maxUnauthenticatedPerAddress: values.MQTT_MAX_UNAUTHENTICATED_PER_ADDRESS,
    failuresPerMinute: values.MQTT_FAILURES_PER_MINUTE,
    addressHoldOffMs: values.MQTT_ADDRESS_HOLD_OFF_MS,
    flappingLoginsPerMinute: values.MQTT_FLAPPING_LOGINS_PER_MINUTE,
    flappingTakeoversPerMinute: values.MQTT_FLAPPING_TAKEOVERS_PER_MINUTE,
    flappingHoldOffMs: values.MQTT_FLAPPING_HOLD_OFF_MS,
    limitsLoopback: values.MQTT_LIMIT_LOOPBACK === 'on',
    connectTimeoutMs: values.MQTT_CONNECT_TIMEOUT_MS,
    authenticationTimeoutMs: values.MQTT_AUTHENTICATION_TIMEOUT_MS,
    maxPacketBytes: values.MQTT_MAX_PACKET_BYTES,
    maxTopicLength: values.MQTT_MAX_TOPIC_LENGTH,
    maxTopicLevels: values.MQTT_MAX_TOPIC_LEVELS,
    maxClientIdLength: values.MQTT_MAX_CLIENT_ID_LENGTH,
    maxSubscriptions: values.MQTT_MAX_SUBSCRIPTIONS,
    maxInflightIncoming: values.MQTT_MAX_INFLIGHT_INCOMING,
    maxQueuedMessages: values.MQTT_MAX_QUEUED_MESSAGES,
    minKeepaliveSeconds: values.MQTT_MIN_KEEPALIVE_SECONDS,
    maxKeepaliveSeconds: values.MQTT_MAX_KEEPALIVE_SECONDS,
    slowReaderBytes: values.MQTT_SLOW_READER_BYTES,
    frozenReaderBytes: values.MQTT_FROZEN_READER_BYTES,
    drainTimeoutMs: values.MQTT_DRAIN_TIMEOUT_MS,
    maxWebSocketMessageBytes: values.MQTT_WS_MAX_MESSAGE_BYTES,
    maxWebSocketHeaderBytes: values.MQTT_WS_MAX_HEADER_BYTES,
  };
}
