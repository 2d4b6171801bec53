package debian

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/keelson-project/keelson/internal/imagebuild"
)

const passwd = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
`

const group = `root:x:0:
daemon:x:1:
www-data:x:33:
users:x:100:nobody
nogroup:x:65534:
`

// apacheConf runs Apache in the foreground as the official image does: port
// 80, pages in /usr/local/apache2/htdocs, logs on the standard streams.
const apacheConf = `ServerRoot /usr/local/apache2
ServerName localhost
PidFile /run/apache2.pid
Listen 80
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
LoadModule autoindex_module /usr/lib/apache2/modules/mod_autoindex.so
User www-data
Group www-data
TypesConfig /etc/mime.types
DocumentRoot /usr/local/apache2/htdocs
DirectoryIndex index.html
ErrorLog /proc/self/fd/2
LogFormat "%h %l %u %t \"%r\" %>s %b" common
CustomLog /proc/self/fd/1 common
StartServers 1
`

var apacheModules = []string{"mpm_event", "authz_core", "dir", "mime", "autoindex"}

// Apache is an image of the web server of package apache2-bin. It listens on
// port 80 and greets with "It works!".
func Apache(ctx context.Context) (v1.Image, error) {
	installed, err := installed(ctx, "apache2-bin")
	if err != nil {
		return nil, err
	}
	const program = "/usr/sbin/apache2"
	want := []string{program}
	for _, m := range apacheModules {
		want = append(want, "/usr/lib/apache2/modules/mod_"+m+".so")
	}
	for _, w := range want {
		if !installed[w] {
			return nil, fmt.Errorf("package apache2-bin has no %s", w)
		}
	}
	libs, err := libraries(want...)
	if err != nil {
		return nil, err
	}
	// What no program names as needed: libc loads it when a thread ends.
	unwind, err := findLibrary(libraryDirs(), "libgcc_s.so.1")
	if err != nil {
		return nil, err
	}
	libs = append(libs, unwind)
	files := []imagebuild.File{
		{Path: "/etc/passwd", Data: []byte(passwd)},
		{Path: "/etc/group", Data: []byte(group)},
		{Path: "/etc/mime.types", Data: []byte("text/html html htm\ntext/plain txt\n")},
		{Path: "/usr/local/apache2/conf/httpd.conf", Data: []byte(apacheConf)},
		{Path: "/usr/local/apache2/htdocs/index.html", Data: []byte("<html><body><h1>It works!</h1></body></html>\n")},
		{Path: "/usr/local/apache2/logs", Mode: fs.ModeDir | 0o755},
		{Path: "/run", Mode: fs.ModeDir | 0o755},
		{Path: "/tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
		{Path: "/usr/local/apache2/bin/httpd", Link: program},
	}
	for _, p := range append(want, libs...) {
		files = append(files, imagebuild.File{Path: p, Source: p})
	}
	return imagebuild.FromFiles(files, imagebuild.Config{
		Cmd:          []string{program, "-DFOREGROUND", "-f", "/usr/local/apache2/conf/httpd.conf"},
		Env:          []string{"PATH=/usr/local/apache2/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HTTPD_PREFIX=/usr/local/apache2"},
		WorkingDir:   "/usr/local/apache2",
		ExposedPorts: []string{"80/tcp"},
		StopSignal:   "SIGWINCH",
	})
}

// Busybox is an image of package busybox-static with links for all its
// programs, such as sh, wget and nslookup.
func Busybox(ctx context.Context) (v1.Image, error) {
	if _, err := installed(ctx, "busybox-static"); err != nil {
		return nil, err
	}
	program, err := exec.LookPath("busybox")
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, program, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("list busybox's programs: %w", err)
	}
	files := []imagebuild.File{
		{Path: "/bin/busybox", Source: program, Mode: 0o755},
		{Path: "/etc/passwd", Data: []byte(passwd)},
		{Path: "/etc/group", Data: []byte(group)},
		{Path: "/root", Mode: fs.ModeDir | 0o700},
		{Path: "/tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
		{Path: "/var/www", Mode: fs.ModeDir | 0o755},
	}
	for _, name := range strings.Fields(string(out)) {
		if name != "busybox" {
			files = append(files, imagebuild.File{Path: "/bin/" + name, Link: "busybox"})
		}
	}
	return imagebuild.FromFiles(files, imagebuild.Config{
		Cmd: []string{"sh"},
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	})
}

// installed lists the files of a Debian package, by the paths they have with
// symbolic links above them resolved and not.
func installed(ctx context.Context, pkg string) (map[string]bool, error) {
	out, err := exec.CommandContext(ctx, "dpkg", "-L", pkg).Output()
	if err != nil {
		return nil, fmt.Errorf("package %s is not installed (apt-get install %s): %w", pkg, pkg, err)
	}
	files := map[string]bool{}
	for _, p := range strings.Fields(string(out)) {
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
			files[p] = true
			if real, err := filepath.EvalSymlinks(p); err == nil {
				files[real] = true
			}
		}
	}
	return files, nil
}
