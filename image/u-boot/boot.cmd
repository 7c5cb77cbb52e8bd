# Run by U-Boot from the boot partition: picks the slot, and boots it. mkimage makes boot.scr of it.
#
# Which slot is said by one sector of the card, or by its copy where power cuts left that half written
# (src/system/update/README section "boot state"): `slot` is the one that is known to run, `try` one that is to be tried
# once. `try` is taken out before its kernel starts, so that whatever happens then (a panic, a watchdog, a pulled plug)
# the next start is the old slot's; where it cannot be taken out, nothing is tried.

setenv slot a
setenv try
setenv tried
setenv known
setenv state_lba 0x1000
setenv copy_lba 0x1800
# Addresses with room for a kernel of 90 MB between them: U-Boot's own on the Raspberry Pi leave 36. The emulator's memory
# starts at 1 GB.
if test "${devtype}" = "virtio"; then
  setenv state_addr 0x47000000
  setenv kernel_at 0x48000000
  setenv ramdisk_at 0x4e000000
  setenv console_args "console=ttyAMA0"
  setenv fdt_at ${fdt_addr}
else
  setenv state_addr 0x07000000
  setenv kernel_at 0x08000000
  setenv ramdisk_at 0x0e000000
  # What the firmware knows of this board (its network address among them) it writes into the device tree. That lies where
  # the firmware likes: it is moved out of the way of what is loaded, with room for what U-Boot adds.
  setenv fdt_at ${fdt_addr}
  fdt addr ${fdt_addr}
  if fdt move ${fdt_addr} ${fdt_addr_r} 0x40000; then setenv fdt_at ${fdt_addr_r}; fi
  fdt get value firmware_args /chosen bootargs
  setenv console_args "console=ttyS1,115200 console=tty1 ${firmware_args}"
fi

${devtype} dev ${devnum}
for lba in ${state_lba} ${copy_lba}; do
  if test "${known}" != "1"; then
    if ${devtype} read ${state_addr} ${lba} 1; then
      if env import -c ${state_addr} 0x200 slot try; then setenv known 1; fi
    fi
  fi
done
if test "${slot}" != "b"; then setenv slot a; fi
setenv boot_slot ${slot}
setenv trial 0
if test "${try}" = "a" || test "${try}" = "b"; then
  setenv tried ${try}
  setenv try
  env export -c -s 0x200 ${state_addr} slot
  if ${devtype} write ${state_addr} ${copy_lba} 1; then
    if ${devtype} write ${state_addr} ${state_lba} 1; then
      setenv boot_slot ${tried}
      setenv trial 1
    fi
  fi
fi

# A slot whose kernel cannot be read gives way to the other one. No `rootwait`: the initramfs waits for the root, and a kernel
# without its initramfs is to panic, not to wait for ever.
setenv attempts "${boot_slot} ${slot} a b"
for each in ${attempts}; do
  if load ${devtype} ${devnum}:1 ${kernel_at} ${each}/vmlinuz; then
    if load ${devtype} ${devnum}:1 ${ramdisk_at} ${each}/initrd.img; then
      setenv ramdisk_bytes ${filesize}
      setenv part 2
      if test "${each}" = "b"; then setenv part 3; fi
      setenv bootargs "${console_args} root=PARTUUID=53544152-0${part} rootfstype=squashfs ro panic=10 quiet audit=0 net.ifnames=0 starling.slot=${each} starling.trial=${trial}"
      booti ${kernel_at} ${ramdisk_at}:${ramdisk_bytes} ${fdt_at}
    fi
  fi
  setenv trial 0
done
echo "Starling: no slot of this card can be started."
sleep 30
reset
