/** What the stack is told (sys/errno.h). */
export const EMSGSIZE = 40;
export const ENETDOWN = 50;
export const ENOBUFS = 55;
