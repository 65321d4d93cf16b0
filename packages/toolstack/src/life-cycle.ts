import {
  SHUTDOWN_crash,
  SHUTDOWN_poweroff,
  SHUTDOWN_reboot,
  SHUTDOWN_soft_reset,
  SHUTDOWN_suspend,
  SHUTDOWN_watchdog,
} from '@port-xen/abi';
import type { DomainConfig, ShutdownAction } from './domain-config.ts';

/** Why a domain shut down, in words. */
export const reasonText = (reason: number): string => {
  switch (reason) {
    case SHUTDOWN_poweroff:
      return 'poweroff';
    case SHUTDOWN_reboot:
      return 'reboot';
    case SHUTDOWN_suspend:
      return 'suspend';
    case SHUTDOWN_crash:
      return 'crash';
    case SHUTDOWN_watchdog:
      return 'watchdog';
    case SHUTDOWN_soft_reset:
      return 'soft reset';
    default:
      return `reason ${reason}`;
  }
};

/** What the configuration wants done (handle_domain_death). A domain that suspended by itself is left as it is. */
export const actionFor = (config: DomainConfig, reason: number): ShutdownAction => {
  switch (reason) {
    case SHUTDOWN_poweroff:
      return config.onPoweroff;
    case SHUTDOWN_reboot:
      return config.onReboot;
    case SHUTDOWN_suspend:
      return 'preserve';
    case SHUTDOWN_crash:
      return config.onCrash;
    case SHUTDOWN_watchdog:
      return config.onWatchdog;
    case SHUTDOWN_soft_reset:
      return config.onSoftReset;
    default:
      return 'destroy';
  }
};

/** What becomes of the domain that shut down, and whether another takes its place. Cores are not kept. */
export const outcomeOf = (
  action: ShutdownAction,
): { readonly old: 'destroy' | 'preserve' | 'rename'; readonly again: boolean } => {
  switch (action) {
    case 'destroy':
    case 'coredump_destroy':
      return { old: 'destroy', again: false };
    case 'restart':
    case 'coredump_restart':
    case 'soft_reset':
      return { old: 'destroy', again: true };
    case 'restart_rename':
      return { old: 'rename', again: true };
    case 'preserve':
      return { old: 'preserve', again: false };
  }
};
