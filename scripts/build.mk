# SPDX-License-Identifier: MIT
# The disk image of the default cluster: `make images`.

.PHONY: images
images: $(O)/images/default.img

$(O)/data/text: scripts/tangramlib/text.py scripts/make-text
	@mkdir -p $(@D)
	$(Q)/usr/bin/python3 scripts/make-text $@

# The programs' folder also holds dependency files: only executables are taken.
$(O)/images/default.img: $(user-bin) $(O)/data/text scripts/make-image scripts/tangramlib/image.py
	@mkdir -p $(@D)
	$(Q)/usr/bin/python3 scripts/make-image --programs $(O)/user --text $(O)/data/text $@

# Debian's own programs, unpacked without root from its packages: `make debian-image`, then `scripts/tangram run --image debian`;
# debian-dev-image: the same and a compiler; debian-stress-image: stress-ng, for the tests.
.PHONY: debian-image debian-dev-image debian-stress-image
debian-image: $(O)/images/debian.img
debian-dev-image: $(O)/images/debian-dev.img
debian-stress-image: $(O)/images/debian-stress.img
$(O)/images/debian.img: user/debian/packages.txt
$(O)/images/debian-dev.img: user/debian/packages.txt user/debian/dev.txt | $(O)/images/debian.img
$(O)/images/debian-stress.img: user/debian/stress.txt | $(O)/images/debian.img
$(O)/images/debian.img $(O)/images/debian-dev.img $(O)/images/debian-stress.img: $(O)/images/%.img: scripts/make-debian-tree scripts/make-image scripts/tangramlib/image.py
	@mkdir -p $(@D)
	$(Q)/usr/bin/python3 scripts/make-debian-tree $(O)/$* $(filter %.txt,$^) --cache $(O)/debian-packages
	$(Q)/usr/bin/python3 scripts/make-image --tree $(O)/$* --free 128M $@

.PHONY: check-tools check-image check-logs
check-tools: check-image check-logs
check-image:
	$(Q)/usr/bin/python3 scripts/tangramlib/image_test.py
check-logs:
	$(Q)/usr/bin/python3 scripts/tangramlib/logs_test.py
