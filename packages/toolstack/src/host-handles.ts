/** Ports that were allocated for a domain; 0 for one that its interface has not. */
export interface DomainPorts {
  readonly storePort: number;
  readonly consolePort: number;
  /** Xen 2's, to the domain controller. */
  readonly controllerPort: number;
}

/** What is a domain's on this host, in this life. */
export interface HostHandles extends DomainPorts {
  readonly sharedInfoMfn: number;
  /** -1 for a domain that has none. */
  readonly storeMfn: number;
  readonly consoleMfn: number;
}
