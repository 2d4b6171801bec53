package embedded

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/config"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/features"

	"github.com/keelson-project/keelson/store/etcd/internal/zapslog"
)

// Config says where the server keeps its data and who may use it.
type Config struct {
	// Dir is the server's directory, made if it does not exist. One store
	// at a time can use it. Required.
	Dir string
	// Prefix is put before each key; what lies outside of it is invisible.
	Prefix string
	// Listen are URLs at which clients in other processes are served: unix
	// with a path, http, or https with TLS. A port of zero means any; the
	// result is in Store.Endpoints. Empty for none.
	Listen []url.URL
	// TLS has the certificate for https URLs, and the authorities for
	// clients' certificates if those are wanted.
	TLS *tls.Config
	// Quota is the size in bytes from which the server refuses writes; zero
	// means 8 GiB.
	Quota int64
	// Sync says when a write counts as done; the zero value is SyncAlways.
	Sync Sync
	// Logger gets what the server logs; nil discards it.
	Logger *slog.Logger
}

// Sync says when a write counts as done.
type Sync int

const (
	// SyncAlways waits until the disk has it.
	SyncAlways Sync = iota
	// SyncNever leaves it to the operating system. A crash of the process
	// loses nothing then, one of the machine may lose everything. It is for
	// tests.
	SyncNever
)

const (
	// A member without peers need not wait for any: it elects itself after
	// a few ticks, so these decide how long a start takes (80 ms), and what
	// an idle server costs (0.7 % of a core; with 10 ms ticks it would start
	// in 37 ms and cost 1.9 %).
	tickMilliseconds = 50
	electionTicks    = 3
	// defaultQuota is the most that etcd recommends.
	defaultQuota = 8 << 30
	// snapshotEvery is after how many writes the log is cut. The log since
	// then, and as many entries before, are in memory and are read again at
	// a start.
	snapshotEvery = 10000
	// keptBehind are the entries kept in memory for slow followers; there
	// are none.
	keptBehind = 100
	// member and peer are identity only: nobody listens there. The name is
	// etcd's default.
	member = "default"
	peer   = "http://127.0.0.1:2380"
)

// server translates the configuration to etcd's.
func (cfg *Config) server() (config.ServerConfig, error) {
	var problems []error
	if cfg.Dir == "" {
		problems = append(problems, errors.New("Dir is not set"))
	}
	if cfg.Quota < 0 {
		problems = append(problems, fmt.Errorf("Quota is %d, must not be negative", cfg.Quota))
	}
	for _, u := range cfg.Listen {
		switch {
		case u.Scheme != "unix" && u.Scheme != "http" && u.Scheme != "https":
			problems = append(problems, fmt.Errorf("Listen has %s, whose scheme is none of unix, http, https", u.String()))
		case u.Scheme == "https" && cfg.TLS == nil:
			problems = append(problems, fmt.Errorf("Listen has %s, but TLS is not set", u.String()))
		}
	}
	if len(problems) > 0 {
		return config.ServerConfig{}, fmt.Errorf("embedded: configuration: %w", errors.Join(problems...))
	}
	peers := types.MustNewURLs([]string{peer})
	logger := zapslog.New(cfg.Logger)
	quota := cfg.Quota
	if quota == 0 {
		quota = defaultQuota
	}
	return config.ServerConfig{
		Name:                        member,
		DataDir:                     cfg.Dir,
		PeerURLs:                    peers,
		InitialPeerURLsMap:          types.URLsMap{member: peers},
		InitialClusterToken:         "keelson",
		NewCluster:                  true,
		SnapshotCount:               snapshotEvery,
		SnapshotCatchUpEntries:      keptBehind,
		MaxSnapFiles:                embed.DefaultMaxSnapshots,
		MaxWALFiles:                 embed.DefaultMaxWALs,
		TickMs:                      tickMilliseconds,
		ElectionTicks:               electionTicks,
		InitialElectionTickAdvance:  true,
		QuotaBackendBytes:           quota,
		MaxTxnOps:                   embed.DefaultMaxTxnOps,
		MaxRequestBytes:             embed.DefaultMaxRequestBytes,
		MaxConcurrentStreams:        math.MaxUint32,
		WarningApplyDuration:        embed.DefaultWarningApplyDuration,
		WarningUnaryRequestDuration: embed.DefaultWarningUnaryRequestDuration,
		CompactHashCheckTime:        embed.DefaultCompactHashCheckTime,
		WatchProgressNotifyInterval: 10 * time.Minute,
		StrictReconfigCheck:         embed.DefaultStrictReconfigCheck,
		AuthToken:                   embed.DefaultAuthToken,
		UnsafeNoFsync:               cfg.Sync == SyncNever,
		PreVote:                     true,
		V2Deprecation:               config.V2DeprDefault,
		Metrics:                     "basic",
		Logger:                      logger,
		ServerFeatureGate:           features.NewDefaultServerFeatureGate(member, logger),
	}, nil
}
