#!/bin/sh
# Installs, upgrades and removes the packages in a system of its own, which lies over this one in memory.
#
#	unshare --mount tests/e2e/install_packages.sh FOLDER PACKAGES
#
# FOLDER is empty, PACKAGES has the *.deb.  It says what happened, a line each; what dpkg says goes to
# standard error.  Without "possible" there can be no such system here.  In the place of systemctl is what
# writes down its calls, and takes each unit for active when there is a file /active.
set -eu
here=$1
packages=$2

mount -t tmpfs none "$here"
mkdir "$here/changes" "$here/work" "$here/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$here/changes,workdir=$here/work" "$here/root"
mount --rbind /proc "$here/root/proc"
mount --rbind /dev "$here/root/dev"
cd "$here/root"
test -x usr/bin/dpkg
echo possible

mkdir -p run/systemd/system packages
cp "$packages"/*.deb packages
rm -f usr/sbin/policy-rc.d
mv usr/bin/systemctl usr/bin/systemctl.real
cat >usr/bin/systemctl <<'END'
#!/bin/sh
case "$*" in
*is-enabled*) SYSTEMD_OFFLINE=1 exec systemctl.real "$@" ;;
*is-active*) test -e /active ;;
*) echo " $*" >>/calls ;;
esac
END
chmod 755 usr/bin/systemctl

inside() {
	chroot . env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}
calls() {
	echo "$1: $(sed -n 's/.* \(start\|stop\|restart\|try-restart\) /\1 /p' calls | sort | xargs)"
	rm calls
}

inside sh -c 'dpkg --no-triggers -i packages/*.deb' >&2
calls installed
echo "folder: $(stat -c %U:%G:%a etc/hybridge)"
echo "user: $(inside id -un hybridge) $(inside id -gn hybridge)"
echo "version: $(inside hybridge --version)"
echo "enabled: $(find etc/systemd -name 'hybridge*' -path '*.wants/*')"
touch active
inside sh -c 'dpkg --no-triggers -i packages/*.deb' >&2
calls upgraded
inside dpkg --no-triggers -P hybridge libhybridge hybridge-agent hybridge-relay >&2
calls removed
rm -r packages
echo "left: $(cd ../changes && find . -type f -path '*hybridge*')"
