/** A domain of which nothing is asked: one vCPU, and it is destroyed whatever it does. */
export const DOMAIN_DEFAULTS = {
  maxVcpus: 1,
  availVcpus: [0],
  onPoweroff: 'destroy',
  onReboot: 'destroy',
  onWatchdog: 'destroy',
  onCrash: 'preserve',
  onSoftReset: 'destroy',
} as const;
