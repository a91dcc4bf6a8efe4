# SPDX-License-Identifier: MIT
cd /tmp && cat > p.pl <<'END'
use strict; use warnings; use POSIX qw(strftime floor WNOHANG :sys_wait_h); use List::Util qw(sum max first shuffle); use File::Basename;
use IO::Handle; use Fcntl qw(:flock :seek); use File::Spec; use Cwd; use Socket; use Errno; use Scalar::Util qw(looks_like_number);
$| = 1;
my %count; $count{$_ % 10}++ for 1 .. 5000;
print join(",", map { "$_=$count{$_}" } sort { $a <=> $b } keys %count), "\n";
my $text = "The quick brown fox jumps over the lazy dog\n" x 50; my $n = () = $text =~ /\b[a-z]{5}\b/g;
print "words $n\n";
(my $swapped = "hello world") =~ s/(\w+) (\w+)/\u$2 \U$1/; print "$swapped\n";
print "rc ", ("abc" =~ /^(?<first>.)(?!x)/ ? $+{first} : "none"), "\n";
open my $out, ">", "data" or die; flock $out, LOCK_EX; printf $out "%05d\n", $_ for 1 .. 2000; close $out;
open my $in, "+<", "data" or die; seek $in, 600, SEEK_SET; my $line = <$in>; print "at ", tell($in), " $line";
truncate $in, 1200; close $in; print -s "data", "\n";
open $in, "<", "data"; my @lines = <$in>; chomp @lines;
print scalar(@lines), " ", sum(@lines), " ", max(@lines), "\n"; close $in;
open my $pipe, "-|", "seq 5 | sort -r" or die; print "pipe: ", join(" ", map { chomp; $_ } <$pipe>), "\n";
close $pipe; print "status $?\n";
open $pipe, "|-", "tr a-z A-Z" or die; print $pipe "to a filter\n"; close $pipe;
my $got = `echo back; exit 3`; print "back $got", $? >> 8, "\n";
my @kids;
for my $i (1 .. 5) { my $pid = fork; if (!$pid) { select undef, undef, undef, 0.05 * $i; exit $i } push @kids, $pid }
my $total = 0; for (@kids) { waitpid $_, 0; $total += $? >> 8 } print "children $total\n";
pipe my $r, my $w or die;
if (my $pid = fork) { close $w; print "child says: ", <$r>; waitpid $pid, 0 } else { close $r; print $w "hello\n"; close $w; POSIX::_exit(0) }
local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; 1 while 1 }; print "caught $@";
local $SIG{USR1} = sub { print "usr1\n" }; kill USR1 => $$;
print strftime("%Y-%m-%d %H:%M:%S", gmtime 1e9), " ", join("/", (localtime 86400)[3, 4, 5]), "\n";
printf "%.10g %s %b %o %x %e|%-8s|%08.3f\n", 1 / 3, 1e21, 10, 10, 255, 12345.678, "left", 3.14159;
print pack("nNvVA5", 1, 2, 3, 4, "abc") eq "\0\1\0\0\0\2\3\0\4\0\0\0abc  " ? "packed\n" : "wrong\n";
print join(",", unpack("(A2)*", "aabbcc")), "\n";
my @sorted = sort { $b->{n} <=> $a->{n} || $a->{k} cmp $b->{k} } map { { k => chr(97 + $_ % 26), n => $_ % 5 } } 0 .. 50;
print join("", map { $_->{k} } @sorted), "\n";
socketpair my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC or print "socketpair: $!\n";
if (defined fileno $a) { syswrite $a, "through\n"; sysread $b, my $buf, 100; print $buf }
mkdir "dir"; for (qw(b a c)) { open my $f, ">", "dir/$_"; } opendir my $d, "dir";
print join(" ", sort grep { !/^\./ } readdir $d), "\n";
print join(" ", glob "dir/*"), " ", basename("/x/y.z", ".z"), "\n"; rename "dir/a", "dir/z"; unlink glob "dir/*";
rmdir "dir"; print -e "dir" ? "there\n" : "gone\n";
my @stat = stat "data"; printf "%o %d\n", $stat[2] & 07777, $stat[7]; symlink "data", "sym";
print readlink "sym", "\n"; utime 1000, 2000, "data"; print ((stat "data")[9], "\n");
print $! + 0, " $!\n" if !open my $f, "<", "/none";
my $big = "x" x 10_000_000; print length $big, " ", ($big =~ tr/x//), "\n"; my $deep = [];
$deep = [$deep] for 1 .. 100000; print "deep\n"; undef $deep;
use utf8; binmode STDOUT, ":utf8"; print scalar reverse("äöü"), " ", lc("ÄÖ"), " ", length("äöü"), "\n"; print "A" lt "a" ? "ascii\n" : ""; print sprintf("%vd", $^V), " $^O\n";
END { print "end\n" } exit 4;
END
perl p.pl; echo "rc $?"; perl -ne 'print if 3 .. 5' <(seq 9); seq 5 | perl -pe '$_ *= 2; $_ .= "\n"'
perl -F: -lane 'print $F[0]' /etc/passwd; perl -i.bak -pe 's/0/o/g' data; head -3 data
perl -e 'print "$_\n" for sort keys %ENV' | grep -c .
perl -MData::Dumper -e '$Data::Dumper::Sortkeys = 1; print Dumper({a => [1, 2], b => undef})' 2>&1 | head -3
echo 'print "stdin\n"' | perl; perl -e 'die "dead\n"'; echo "rc $?"; perl -c p.pl 2>&1
