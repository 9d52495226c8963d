/** The keys of xl.cfg(5): those that mean something here, and those that Xen knows and this host does not support yet. */

export const SUPPORTED_KEYS = [
  "name",
  "uuid",
  "type",
  "kernel",
  "ramdisk",
  "cmdline",
  "root",
  "extra",
  "memory",
  "maxmem",
  "vcpus",
  "maxvcpus",
  "cpus",
  "cpus_soft",
  "cpu_weight",
  "cap",
  "disk",
  "vif",
  "on_poweroff",
  "on_reboot",
  "on_crash",
  "on_watchdog",
  "serial",
  // Not Xen's: what test kernels ask of a machine and a plain PVH guest has not.
  "debugcon",
  "exit_port",
  "ioapic",
  "pit",
  "pm_timer",
] as const;

export type SupportedKey = (typeof SUPPORTED_KEYS)[number];

/** [XL.CFG]: keys of Xen's that are refused, because ignoring one would start another machine than the one asked for. */
export const UNSUPPORTED_KEYS: ReadonlySet<string> = new Set(
  `acpi acpi_firmware acpi_laptop_slate acpi_s3 acpi_s4 altp2m apic arm_sci argo backendtype bios bios_path_override
  blkdev_start boot bootargs bootloader bootloader_args builder channel claim_mode cpuid
  device_model_args device_model_args_hvm device_model_args_pv device_model_override device_model_stubdomain_override
  device_model_user device_model_version device_tree dm_restrict dpci_power_mgmt driver_domain dtdev e820_host
  event_channels extratime fda fdb firmware firmware_override gfx_passthru gic_version hap hdtype hpet init_seclabel
  iomem ioports irqs keymap latency localtime mac max_event_channels max_grant_frames max_grant_version
  max_maptrack_frames mca_caps mmio_hole monitor ms_vm_genid msr_relaxed nestedhvm nic nodes nographic nomigrate
  numa_placement nx on_soft_reset opengl p9 pae parallel passthrough pci pci_msitranslate pci_permissive
  pci_power_mgmt pci_seize period pool processor_trace_buf_kb pvcalls pvh pvshim pvshim_cmdline pvshim_extra
  pvshim_path rdm rdm_mem_boundary rtc_timeoffset sdl seclabel shadow_memory slice smbios_firmware
  smbios soundhw spice spiceagent_mouse spiceclipboard_sharing spicedisable_ticketing spicehost spicepasswd spiceport
  spicetls_port spiceusbredirection spicevdagent static_shm stdvga stubdomain_cmdline stubdomain_kernel
  stubdomain_memory stubdomain_ramdisk suppress_spurious_page_faults sve system_firmware tee timer_mode
  tsc_mode usb usbctrl usbdev usbdevice usbversion vdispl vendor_device vfb vga videoram virtio viridian
  vkb vmtrace_buf_kb vnc vncconsole vncdisplay vnclisten vncpasswd vncunused vnuma vpmu vpt_align vscsi vsnd vtpm
  vuart xauthority xen_platform_pci xend_suspend_evtchn_compat`.split(/\s+/),
);
