/** What a stranger, or a client with a fault, may ask of the broker. */
export const limits = {
  /** Bytes after the fixed header; SPEC section 5. A batch of 500 positions of 120 bytes just fits. */
  maxPacketBytes: 65_536,
  /** The longest topic of the table has 3 levels; OwnTracks and wildcards need a few more. Beyond: protocol violation. */
  maxTopicLevels: 16,
  /** Characters of a client id as sent. MQTT 3.1.1 lets a server choose; the longest in use are UUIDs with prefixes. */
  maxClientIdLength: 256,
  /** MQTT 3.1, section 3.1: 1 to 23 characters. */
  maxClientIdLength31: 23,
  /** Filters that one client may hold. A rider needs three, an operator's console a dozen. */
  maxSubscriptions: 200,
  /** ms from the TCP connection to a complete CONNECT. */
  connectTimeoutMs: 10_000,
  /** ms that checking a token may take: a JWKS server that is away must not hold connections open. */
  authenticationTimeoutMs: 8_000,
  /** ms that a reader may leave its socket full before it is dropped. */
  drainTimeoutMs: 10_000,
  /** Bytes waiting in a reader's socket from which on positions (QoS 0) are left out for it. */
  slowReaderBytes: 65_536,
  /** QoS 2 publishes of one client that wait for their PUBREL. */
  maxInflightQoS2: 100,
  /** Bytes of a WebSocket frame: a packet and some more, since a frame may hold several. */
  maxFrameBytes: 131_072,
} as const;
