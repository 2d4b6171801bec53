// Package netplugintest is the behaviour suite of [netplugin.Plugin]: what
// every pod network must do, whoever writes it. A plugin's own tests call
// [Run] with a factory.
package netplugintest
