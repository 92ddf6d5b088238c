package dev.salient.hub;

import static dev.salient.tensor.Preconditions.require;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The proxies of HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, in either case, as curl and Python read them. */
final class EnvironmentProxies extends ProxySelector {
    private static final Pattern ADDRESS = Pattern.compile("(?:http://)?([^/:@]+|\\[[^]]+]):(\\d{1,5})/?");
    private static final Pattern THIS_MACHINE = Pattern.compile("localhost|127\\..*|\\[?::1]?");

    private final Map<String, String> variables;

    EnvironmentProxies(Map<String, String> variables) {
        this.variables = Map.copyOf(variables);
    }

    @Override
    public List<Proxy> select(URI uri) {
        String host = String.valueOf(uri.getHost()).toLowerCase(Locale.ROOT);
        String name = uri.getScheme().toUpperCase(Locale.ROOT) + "_PROXY";
        String proxy = value(name, value("ALL_PROXY", ""));
        if (proxy.isEmpty() || THIS_MACHINE.matcher(host).matches() || isDirect(host)) {
            return List.of(Proxy.NO_PROXY);
        }
        Matcher address = ADDRESS.matcher(proxy);
        require(
                address.matches(),
                "%s: got another form, want http://HOST:PORT (a proxy that asks for a password is not supported)",
                name);
        return List.of(new Proxy(
                Proxy.Type.HTTP,
                InetSocketAddress.createUnresolved(address.group(1), Integer.parseInt(address.group(2)))));
    }

    private boolean isDirect(String host) {
        for (String part : value("NO_PROXY", "").toLowerCase(Locale.ROOT).split(",", -1)) {
            String suffix = part.strip().replaceFirst("^\\*?\\.", "");
            if (suffix.equals("*") || (!suffix.isEmpty() && (host.equals(suffix) || host.endsWith("." + suffix)))) {
                return true;
            }
        }
        return false;
    }

    private String value(String name, String otherwise) {
        String value = variables.getOrDefault(name.toLowerCase(Locale.ROOT), variables.getOrDefault(name, ""));
        return value.isEmpty() ? otherwise : value;
    }

    @Override
    public void connectFailed(URI uri, SocketAddress address, IOException failure) {
        // the request itself fails too, and says so
    }
}
