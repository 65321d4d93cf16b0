/** Ticks that a suspend waits for the back end: half a second. */
export const DRAIN_TICKS = 50;
/** Ticks that it waits for acknowledgements of what the stack has sent: a tenth of a second. */
export const ACK_TICKS = 10;
