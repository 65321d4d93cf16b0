/** NetBSD's error numbers (sys/errno.h) that owners of messages are told: no program sees them. */
export const ECONNRESET = 54;
export const ETIMEDOUT = 60;
